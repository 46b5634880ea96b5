"""Health check of a container: exits with status 0 while the container's role accepts work, else with 1.

It sends the API a `GET /healthz`. For any other role it looks for the role's ready file. A role deletes that file when
it starts, and the container ends with its role, so an existing file is never outdated.
"""

import http.client
import os
import sys
from pathlib import Path

_TIMEOUT_S = 4.0


def _is_ready() -> bool:
    ready_file = os.environ.get("GRIDPRESS_READY_FILE")
    return bool(ready_file) and Path(ready_file).is_file()


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


if __name__ == "__main__":
    is_api = "api" in sys.argv[1:]
    port = int(os.environ.get("GRIDPRESS_PORT") or 8000)
    sys.exit(0 if (_is_healthy(port) if is_api else _is_ready()) else 1)
