"""The HTTP side of the stub services: reads a request, writes what a function answers."""

from collections.abc import Callable, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler

from tests.fixtures.http_server import Quiet

Reply = tuple[int, Mapping[str, str], bytes]
Answer = Callable[[str, str, Message, bytes], Reply]  # method, path, header fields, body


def handler_of(answer: Answer) -> type[BaseHTTPRequestHandler]:
    """Answers every request by `answer`."""

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, content = answer(self.command, self.path, self.headers, self.received())
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "content-length" not in headers:  # a longer one than the content breaks the connection
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def do_PATCH(self) -> None:
            self.do_GET()

    return Handler
