"""A receiver on loopback that answers as told, and keeps what it was sent."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Receiver:
    """Answers the statuses it is told, then 200. While `gate` is not set it answers nothing."""

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.received]

    def wait_for(self, num: int, timeout_s: float = 30) -> None:
        """Until so many webhooks came."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= num, timeout_s), self.ids


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    known = Receiver()
    known.gate.set()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with known.changed:
                known.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = known.statuses.pop(0) if known.statuses else 200
                known.changed.notify_all()
            known.gate.wait()
            with contextlib.suppress(OSError):  # whoever was killed meanwhile does not listen
                self._answer(status)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            for name, value in {**known.headers, "location": "http://127.0.0.1:1/elsewhere"}.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_port}/hook?order=17"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield known
    finally:
        known.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
