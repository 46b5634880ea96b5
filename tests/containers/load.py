"""A client that submits without pause whatever happens, and afterwards asks for every picture and webhook."""

import json
import threading
import time
import uuid
from collections import Counter
from http.server import ThreadingHTTPServer
from typing import Any, Self

import httpx

from cli.demo.receiver import Receiver
from tests.containers.stack import RECEIVER_HOST, Stack

_PAUSE_S = 0.3
_LIMIT_S = 150.0
_PNG = b"\x89PNG\r\n\x1a\n"


class OneEach(Receiver):
    """Receives webhooks on the link to the containers, and counts each job's ends."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        handler = self._server.RequestHandlerClass
        self._server.server_close()
        self._server = ThreadingHTTPServer((RECEIVER_HOST, 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook receiver")
        self.ends: Counter[tuple[str, str]] = Counter()

    @property
    def url(self) -> str:
        return f"http://{RECEIVER_HOST}:{self._server.server_port}/webhooks"

    def receive(self, body: bytes, headers: dict[str, str]) -> bool:
        is_ours = super().receive(body, headers)
        if is_ours:
            event = json.loads(body)
            self.ends[event["data"]["id"], headers["webhook-id"]] += 1
        return is_ours


class Load:
    """Submits while its block runs, each request under a key of idempotency until it is accepted."""

    def __init__(self, stack: Stack, receiver: OneEach, *, client: httpx.Client | None = None) -> None:
        self._stack, self._receiver = stack, receiver
        self._client = client or stack.client()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self._error: BaseException | None = None
        self.accepted: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error:
            raise self._error

    def wait_for(self, num_accepted: int) -> None:
        """Returns once so many more jobs were accepted."""
        target = len(self.accepted) + num_accepted
        self._stack.wait_until(lambda: len(self.accepted) >= target or self._error is not None)

    def check(self) -> int:
        """Asserts that all accepted jobs ended well, once, with pictures. Returns how many there were."""
        assert self.accepted
        until_s = time.monotonic() + _LIMIT_S
        for job_id in self.accepted:
            job = self._ended(job_id, until_s)
            assert job["status"] == "succeeded", job
            for image in job["images"]:
                picture = self._get(f"/v1/jobs/{job_id}/images/{image['index']}", until_s)
                assert picture.content.startswith(_PNG)
        assert self._receiver.wait_for(self.accepted, max(1.0, until_s - time.monotonic())) == len(self.accepted)
        events = Counter(job_id for job_id, _ in self._receiver.ends)
        assert all(events[job_id] == 1 for job_id in self.accepted), "a job ended twice"
        assert self._receiver.num_refused == 0
        return len(self.accepted)

    def _run(self) -> None:
        try:
            while not self._stop.wait(_PAUSE_S):
                self.accepted.append(self._submit())
        except BaseException as error:
            self._error = error

    def _submit(self) -> str:
        body = {"prompt": f"a mug {uuid.uuid4()}", "size": "512x512", "webhook_url": self._receiver.url}
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        while True:
            answer = self._send("POST", "/v1/jobs", json=body, headers=headers)
            if answer is not None:
                return str(answer.raise_for_status().json()["id"])
            time.sleep(0.1)

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        """Returns None where the same request may be sent again."""
        try:
            answer = self._client.request(method, path, **arguments)
        except httpx.TransportError:
            return None
        # 409: the first attempt is still under way.
        return None if answer.status_code in (409, 429, 502, 503, 504) else answer

    def _get(self, path: str, until_s: float) -> httpx.Response:
        while True:
            answer = self._send("GET", path, follow_redirects=False)
            if answer is not None:
                return answer.raise_for_status()
            assert time.monotonic() < until_s, path
            time.sleep(0.2)

    def _ended(self, job_id: str, until_s: float) -> dict[str, Any]:
        while True:
            job = dict(self._get(f"/v1/jobs/{job_id}", until_s).json())
            if job["status"] not in ("queued", "running"):
                return job
            assert time.monotonic() < until_s, f"{job_id} is {job['status']}"
            time.sleep(0.2)
