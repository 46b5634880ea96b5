"""A service that draws batches at once, over real HTTP on loopback: every look at a batch ends some lines more."""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.cli.answering import Reply, handler_of
from tests.cli.stub_api import reply
from tests.fixtures.http_server import HttpServer


class StubService(HttpServer):
    """Knows one tenant. What is asked is counted as `METHOD /path`, ids included."""

    def __init__(self) -> None:
        self.per_look = 2
        self.bad_ids: set[str] = set()  # lines that fail until they are tried again
        self.refusal: list[dict[str, Any]] = []  # what validation finds
        self.report: dict[str, Any] = {}
        self.before: dict[str, Callable[[], Reply | None]] = {}  # what answers `METHOD /path` instead, while not None
        self.asked: Counter[str] = Counter()
        self.created: list[dict[str, Any]] = []
        self.uploads: dict[str, bytes] = {}
        self.batch: dict[str, Any] = {}
        self.waiting: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []
        self._kept: dict[str, Reply] = {}
        self._lock = threading.Lock()
        super().__init__(handler_of(self.answer))

    def lines(self) -> list[dict[str, Any]]:
        """Of the last upload."""
        return [json.loads(raw) for raw in list(self.uploads.values())[-1].splitlines()]

    def num_fetches(self) -> dict[str, int]:
        """How often each picture was."""
        return {path: num for path, num in self.asked.items() if "/pictures/" in path}

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Reply:
        url = urlsplit(target)
        key, content_type = headers.get("idempotency-key"), headers.get("content-type", "")
        route = f"{method} {url.path}"
        with self._lock:
            self.asked[route] += 1
            instead = self.before.get(route, lambda: None)()
            if instead is not None:
                return instead
            if key and key in self._kept:
                return self._kept[key]
            made = self._routed(route, parse_qs(url.query), body, content_type)
            if key:
                self._kept[key] = made
            return made

    def _routed(self, route: str, query: dict[str, list[str]], body: bytes, content_type: str) -> Reply:
        if route == "POST /v1/files":
            return self._upload(body, content_type)
        if route.startswith("DELETE /v1/files/"):
            return reply(200, {"id": self.uploads.popitem()[0], "deleted": True})
        if route == "POST /v1/batches/validate":
            return reply(200, self.report)
        if route == "POST /v1/batches":
            return self._create(json.loads(body))
        if route == "GET /v1/batches":
            return reply(200, {"data": [self.batch] if self.batch else []})
        if route == "GET /v1/batches/batch_1":
            return self._look()
        if route == "GET /v1/batches/batch_1/results":
            return self._results(int(query.get("after", ["0"])[0]), int(query["limit"][0]))
        if match := re.fullmatch(r"POST /v1/batches/batch_1/(\w+)", route):
            return self._change(match[1])
        if match := re.fullmatch(r"GET /v1/batches/batch_1/pictures/job_(\w+)/(\d+)/h\.\w+", route):
            return 200, {}, picture(bytes.fromhex(match[1]).decode(), int(match[2]))
        return refusal(404, f"nothing answers at {route}")

    def _upload(self, body: bytes, content_type: str) -> Reply:
        message = message_from_bytes(f"content-type: {content_type}\n\n".encode() + body)
        [part] = [part for part in message.get_payload() if part.get_filename()]  # type: ignore[union-attr]
        file_id = f"file-{len(self.uploads) + 1}"
        self.uploads[file_id] = part.get_payload(decode=True)  # type: ignore[union-attr, assignment]
        return reply(200, {"id": file_id})

    def _create(self, fields: dict[str, Any]) -> Reply:
        if fields.get("dry_run"):
            return reply(200, self.report) if self.report["is_batch"] else refusal(400, "line 1 is wrong")
        self.created.append(fields)
        self.waiting = [json.loads(raw) for raw in self.uploads[fields["input_file_id"]].splitlines()]
        self.batch = batch_answer(request_counts={"total": len(self.waiting), "completed": 0, "failed": 0})
        if self.refusal:
            self.batch |= {"status": "failed", "errors": {"object": "list", "data": self.refusal}}
        return reply(200, self.batch | {"status": "validating"})

    def _look(self) -> Reply:
        if self.batch["status"] == "in_progress":
            self._draw()
        return reply(200, self.batch)

    def _draw(self) -> None:
        ending, self.waiting = self.waiting[: self.per_look], self.waiting[self.per_look :]
        for line in ending:
            is_bad = line["custom_id"] in self.bad_ids
            self.ended.append(failed(line["custom_id"]) if is_bad else succeeded(line["custom_id"], line["body"]))
            self.batch["request_counts"]["failed" if is_bad else "completed"] += 1
        if not self.waiting:
            self.batch["status"] = "completed"

    def _results(self, after: int, limit: int) -> Reply:
        page = self.ended[after : after + limit]
        last_id = str(after + len(page)) if page else None
        return reply(200, {"data": page, "has_more": after + limit < len(self.ended), "last_id": last_id})

    def _change(self, action: str) -> Reply:
        if action == "cancel":
            self.batch |= {"status": "cancelled"}
        if action == "retry":
            self.waiting = [line for line in self.lines() if line["custom_id"] in self.bad_ids]
            if not self.waiting:
                return refusal(409, "there is nothing to try again")
            self.batch["request_counts"]["failed"] -= len(self.waiting)
            self.batch |= {"status": "in_progress"}
            self.bad_ids.clear()
        return reply(200, self.batch)


def picture(custom_id: str, index: int) -> bytes:
    return f"the picture {index} of {custom_id}".encode()


def succeeded(custom_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """A line of results. Its links are what the service calls itself, which need not be where it was reached."""
    job_id, n = f"job_{custom_id.encode().hex()}", body.get("n", 1)
    images = [
        {
            "index": index,
            "status": "succeeded",
            "seed": 7 + index,
            "sha256": hashlib.sha256(picture(custom_id, index)).hexdigest(),
            "url": f"https://pictures.example/v1/batches/batch_1/pictures/{job_id}/{index}/h.png",
            "error": None,
        }
        for index in range(n)
    ]
    job = {"id": job_id, "output_format": body.get("output_format", "png"), "images": images}
    return result_line(custom_id, job_id, {"status_code": 200, "request_id": job_id, "body": job})


def failed(custom_id: str) -> dict[str, Any]:
    error = {"message": "must be a multiple of 32", "param": "size", "code": "invalid", "type": "invalid_request_error"}
    return result_line(custom_id, None, {"status_code": 400, "request_id": "", "body": {"error": error}})


def result_line(
    custom_id: str, job_id: str | None, response: dict[str, Any] | None, error: dict[str, str] | None = None
) -> dict[str, Any]:
    return {"id": "batch_req_1", "custom_id": custom_id, "job_id": job_id, "response": response, "error": error}


def batch_answer(**changes: Any) -> dict[str, Any]:
    """A batch as the API answers it, with changes."""
    answer = {
        "id": "batch_1", "status": "in_progress", "paused": False, "waiting_for": None, "eta_s": 9.5, "errors": None,
        "request_counts": {"total": 5, "completed": 2, "failed": 1}, "created_at": 1767225600, "completed_at": None,
        "input_file_id": "file-1", "output_file_id": None, "error_file_id": None,
    }  # fmt: skip
    return answer | changes


def refusal(status: int, message: str) -> Reply:
    """In OpenAI's shape."""
    return reply(status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "no"}})
