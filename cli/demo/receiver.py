"""Implements the demo's webhook receiver. It listens on loopback and accepts only webhooks with a valid signature."""

import threading
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Receiver:
    """A webhook receiver that listens on a free port of loopback until its `with` block ends.

    Records the jobs of webhooks with a valid signature, and counts the invalid webhooks.
    """

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
        """Verifies a webhook and records its job. Returns whether the signature is valid."""
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
        """Waits for the webhooks of all jobs, at most `timeout_s`. Returns the number of jobs whose webhook arrived."""
        with self._changed:
            self._changed.wait_for(lambda: self._verified.issuperset(job_ids), timeout_s)
            return len(self._verified.intersection(job_ids))


def _handler_for(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Responds with 204 to a webhook with a valid signature, and with 401 to any other request."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204 if receiver.receive(body, headers) else 401)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Does nothing, so that no access log appears between the lines of the demo."""

    return Handler
