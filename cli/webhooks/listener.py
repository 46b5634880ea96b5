"""Implements a webhook receiver on loopback that verifies signatures. Prints nothing."""

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

_MAX_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One received webhook. `event` is None when the signature is invalid."""

    message_id: str
    event: dict[str, Any] | None


class Listener:
    """A webhook receiver that listens until its `with` block ends. Puts webhooks into the queue `received`, in order.

    Responds with 204, or with 401 when the signature is invalid. The secret is set later with `trust`, because the
    service creates it with the endpoint, and the endpoint needs the port of this receiver.
    """

    def __init__(self, port: int) -> None:
        self.received: queue.Queue[Received] = queue.Queue()
        self._secret: str | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self._receive))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    def trust(self, secret: str) -> None:
        """Sets the secret with which webhooks are verified from now on. Raises `ValueError` for an invalid secret."""
        Webhook(secret)
        self._secret = secret

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _receive(self, body: bytes, headers: dict[str, str]) -> bool:
        event = self._verified(body, headers)
        self.received.put(Received(headers.get("webhook-id", ""), event))
        return event is not None

    def _verified(self, body: bytes, headers: dict[str, str]) -> dict[str, Any] | None:
        if self._secret is None:
            return None
        try:
            Webhook(self._secret).verify(body, headers)
            event = json.loads(body)
        except (WebhookVerificationError, ValueError):
            return None
        return event if isinstance(event, dict) else None


def _handler_for(receive: Callable[[bytes, dict[str, str]], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Handles the HTTP requests of the listener: accepts a POST on any path as a webhook."""

        timeout = 15

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or int(length) > _MAX_BYTES:
                self.send_error(413)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204 if receive(self.rfile.read(int(length)), headers) else 401)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Does nothing, so that no access log appears between the webhooks that the caller prints."""

    return Handler
