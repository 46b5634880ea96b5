"""A webhook receiver on loopback, as a customer would write one: it believes nothing that is not signed."""

import threading
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Receiver:
    """Listens on a free port while its block runs. Remembers whose webhooks came and how many were not ours."""

    def __init__(self, secret: str) -> None:
        self._webhook = Webhook(secret)
        self._changed = threading.Condition()
        self._verified: set[str] = set()
        self.num_refused = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook receiver")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/webhooks"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def receive(self, body: bytes, headers: dict[str, str]) -> bool:
        """Whether the webhook was signed with our secret."""
        with self._changed:
            try:
                event = self._webhook.verify(body, headers)
            except (WebhookVerificationError, ValueError):
                self.num_refused += 1
                return False
            self._verified.add(event["data"]["id"])
            self._changed.notify_all()
            return True

    def wait_for(self, job_ids: Collection[str], timeout_s: float) -> int:
        """Waits until every job's webhook has come, or the time is over; answers how many came."""
        with self._changed:
            self._changed.wait_for(lambda: self._verified.issuperset(job_ids), timeout_s)
            return len(self._verified.intersection(job_ids))


def _handler_for(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers 204 to a webhook that verifies, 401 to anything else."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204 if receiver.receive(body, headers) else 401)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """The demo's own lines are enough."""

    return Handler
