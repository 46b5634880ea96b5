"""An API that answers what a test says, over real HTTP on loopback."""

import json
from collections.abc import Callable
from email.message import Message
from typing import Any

from tests.cli.answering import Reply, handler_of
from tests.fixtures.http_server import HttpServer


def reply(status: int, body: Any, content_type: str = "application/json") -> Reply:
    return status, {"content-type": content_type}, json.dumps(body).encode()


def problem(status: int, detail: str) -> Reply:
    return reply(status, {"title": "No", "status": status, "detail": detail}, "application/problem+json")


class StubApi(HttpServer):
    """`routes` maps `METHOD /path` to what answers it. What was asked, and by whom, is kept in order."""

    def __init__(self) -> None:
        self.routes: dict[str, Callable[[], Reply]] = {}
        self.requests: list[tuple[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.idempotency_keys: list[str] = []
        super().__init__(handler_of(self._answer))

    def _answer(self, method: str, path: str, headers: Message, body: bytes) -> Reply:
        route = f"{method} {path}"
        self.authorizations.append(headers.get("authorization"))
        self.idempotency_keys += filter(None, [headers.get("idempotency-key")])
        self.requests.append((route, json.loads(body) if body else None))
        return self.routes.get(route, lambda: _unknown(path))()

    def sent(self, route: str) -> list[Any]:
        return [body for asked, body in self.requests if asked == route]


def _unknown(path: str) -> Reply:
    """What answers a path of which the test says nothing: a search for the whole of an id finds none."""
    if "limit=100" in path:
        return reply(200, {"data": [], "has_more": False})
    return problem(404, f"nothing answers at {path}")


def job(job_id: str = "job_1", **changes: Any) -> dict[str, Any]:
    """A job of one 256x256 picture as the API answers it, with changes."""
    image = {"index": 0, "status": "queued", "seed": 7, "width": 256, "height": 256, "url": None, "error": None}
    timings = {"timings": {"ar_s": None, "dit_s": None}, "progress": None}
    answer = {
        "id": job_id, "status": "queued", "stage": None, "progress": 0.0, "images": [image | timings], "error": None,
        "prompt": "a fox", "width": 256, "height": 256, "n": 1, "seed": 7, "num_inference_steps": 10,
        "num_condition_images": 0, "output_format": "png", "created_at": "2026-01-01T00:00:00.000Z",
        "started_at": None, "finished_at": None,
    }  # fmt: skip
    return answer | changes


def finished(job_id: str = "job_1", n: int = 1, **changes: Any) -> dict[str, Any]:
    """A job whose pictures all succeeded."""
    image = job()["images"][0] | {"status": "succeeded", "timings": {"ar_s": 1.5, "dit_s": 2.5}}
    images = [image | {"index": index, "seed": 7 + index, "url": f"/images/{index}"} for index in range(n)]
    ended = {
        "status": "succeeded",
        "progress": 1.0,
        "n": n,
        "images": images,
        "finished_at": "2026-01-01T00:00:09.000Z",
    }
    return job(job_id) | ended | changes
