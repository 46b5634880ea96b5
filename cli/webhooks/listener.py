"""A receiver on loopback that believes nothing which is not signed. Prints nothing."""

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
    """One webhook. `event` is None when it was not signed with our secret."""

    message_id: str
    event: dict[str, Any] | None


class Listener:
    """Listens while its block runs; `received` has what came, in order. Answers 204, or 401 to what does not verify.

    It can be told whom to trust once it listens: an endpoint has a secret when it is registered, and that takes a port.
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
        """From now on what is signed with it is believed. Raises `ValueError` for what is no secret."""
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
        """POST alone; any path is ours."""

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
            """Whoever listens prints what came."""

    return Handler
