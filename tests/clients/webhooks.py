"""Libraries that verify webhooks: a receiver records one of our webhooks, and each library verifies it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

from tests.clients.bench import Bench
from tests.clients.finished import JOB
from tests.clients.rows import Row

_LIMIT_S = 60


def standardwebhooks_python(bench: Bench) -> Row:
    _record(bench)
    return bench.python("standardwebhooks (Python)", "recent", "standardwebhooks", "webhook.py", "standardwebhooks")


def svix_python(bench: Bench) -> Row:
    _record(bench)
    return bench.python("svix (Python)", "recent", "svix", "webhook.py", "svix")


def standardwebhooks_node(bench: Bench) -> Row:
    _record(bench)
    return bench.node("standardwebhooks (Node)", "standardwebhooks", "webhook.mjs", "standardwebhooks")


def svix_node(bench: Bench) -> Row:
    _record(bench)
    return bench.node("svix (Node)", "svix", "webhook.mjs", "svix")


def _record(bench: Bench) -> None:
    """Writes a webhook of a finished job to the file that the programs read, with the secret of the tenant."""
    with _receiver() as (url, received), bench.http() as http:
        http.post("/v1/jobs", json={**JOB, "webhook_url": url}).raise_for_status()
        secret = http.get("/v1/webhooks/secret").raise_for_status().json()["secret"]
        headers, body = received.get(timeout=_LIMIT_S)
    bench.webhook.write_text(json.dumps({"secret": secret, "headers": headers, "body": body}))


@contextmanager
def _receiver() -> Iterator[tuple[str, "Queue[tuple[dict[str, str], str]]"]]:
    """Yields the URL of a receiver on loopback, and the queue of what it received."""
    received: Queue[tuple[dict[str, str], str]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            received.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Prints no access log."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="webhook receiver", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


CLIENTS = (standardwebhooks_python, svix_python, standardwebhooks_node, svix_node)
