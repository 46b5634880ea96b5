"""A chat endpoint on loopback that behaves as told."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.fixtures.http_server import HttpServer, Quiet


@dataclass
class Chat:
    """`answer` makes the bytes and the status from the request's JSON. While `gate` is clear nobody is answered."""

    answer: Callable[[dict[str, Any]], tuple[int, bytes]]
    url: str = ""
    heard: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    called: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    drip: bytes = b""  # sent again and again as header lines, until the caller hangs up


def says(text: str, **choice: Any) -> Callable[[dict[str, Any]], tuple[int, bytes]]:
    """A chat completion of this text."""
    return lambda _: (200, completion(text, **choice))


def completion(text: str | None, **choice: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}).encode()


@contextlib.contextmanager
def chatting(answer: Callable[[dict[str, Any]], tuple[int, bytes]]) -> Iterator[Chat]:
    """Every call has a thread of its own; all have ended at the end."""
    chat = Chat(answer)
    chat.gate.set()
    with HttpServer(_handler(chat), waits=True) as server:
        chat.url = f"{server.url}/v1"
        try:
            yield chat
        finally:
            chat.gate.set()


def _handler(chat: Chat) -> type[BaseHTTPRequestHandler]:
    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.received())
            chat.heard.append(({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}, body))
            chat.called.set()
            chat.gate.wait(30)
            with contextlib.suppress(OSError):  # callers that hang up are what some tests are about
                self._drip()
                self._answer(*chat.answer(body))

        def _drip(self) -> None:
            if chat.drip:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while chat.drip:
                self.wfile.write(chat.drip)
                threading.Event().wait(0.01)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
