"""What a child of `shared.sandbox` may be made to do."""

import os
import signal
from pathlib import Path
from typing import Any

from shared.sandbox.frames import Head


def do(ask: Head, data: bytes) -> tuple[dict[str, Any], bytes]:
    match ask["do"]:
        case "echo":
            return {"num_bytes": len(data)}, data
        case "spin":
            while True:
                pass
        case "wait":
            signal.pause()
        case "eat":
            return {}, b" " * 10**9
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "leave":
            os._exit(0)
        case "tell":
            return {"environment": dict(os.environ)}, b""
        case "write":
            try:
                Path(ask["path"]).write_bytes(b"x")
            except OSError as error:
                return {"error": str(error)}, b""
    return {}, b""
