"""A content hook on loopback that answers as told, and keeps what it was asked."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from typing import Any

from standardwebhooks.webhooks import Webhook

from shared.egress.client import EgressClient
from shared.egress.rules import AllowList, EgressRules
from shared.settings.settings import Settings
from shared.webhooks.secrets import new_secret
from shared.webhooks.signing_key import SigningKey
from tests.fixtures.http_server import HttpServer, Quiet
from workers.delivery.content.hook import Hook, HookRules
from workers.delivery.content.verdict import Verdict, verdict_of

ALLOW = b'{"decision": "allow"}'
REJECT = b'{"decision": "reject", "code": "violence", "reason": "no weapons"}'
LOOPBACK = EgressRules(AllowList((ip_network("127.0.0.1/32"),)))
SECRET = new_secret()

Answer = tuple[int, bytes]


@dataclass
class FakeHook:
    """Gives the answers in turn, the last one again and again. While `gate` is not set it answers nothing."""

    answers: list[Answer] = field(default_factory=lambda: [(200, ALLOW)])
    answer_to: Callable[[dict[str, Any]], Answer] | None = None
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The bodies of all requests. Each must be signed."""
        return [Webhook(SECRET).verify(body, headers) for headers, body in self.heard]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.heard]

    def wait_for(self, num: int, timeout_s: float = 60) -> None:
        """Until so many requests came."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.heard) >= num, timeout_s), self.ids


@contextlib.contextmanager
def hooking(*answers: Answer) -> Iterator[FakeHook]:
    known = FakeHook(list(answers) or [(200, ALLOW)])
    known.gate.set()

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.received()
            with known.changed:
                known.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                answer = known.answers.pop(0) if len(known.answers) > 1 else known.answers[0]
                known.changed.notify_all()
            known.gate.wait()
            status, text = known.answer_to(json.loads(body)) if known.answer_to else answer
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("location", "http://127.0.0.1:1/elsewhere")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

    with HttpServer(Handler) as server:
        known.url = f"{server.url}/check?order=17"
        yield known
        known.gate.set()


def a_hook(
    url: str, settings: Settings, *, timeout_s: float = 30, max_attempts: int = 3, rules: EgressRules = LOOPBACK
) -> Hook[Verdict]:
    """A hook that does not wait between its attempts."""
    limits = HookRules(timeout_s, max_attempts)
    return Hook(url, SECRET, SigningKey.of(settings), EgressClient(rules), limits, verdict_of, lambda _: None)
