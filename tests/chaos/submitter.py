"""A client that never gives up: submits through HTTP at a steady rate, whatever happens to the service."""

import threading
import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from tests.chaos.ledger import CLIENT_ID, Ledger, Request, request

_RETRY_S = 0.2


class Submitter:
    """Submits while its block runs. A request without an answer is looked for before it is sent again."""

    def __init__(
        self,
        url: str,
        webhook_url: str,
        ledger: Ledger,
        *,
        seed: int,
        rate_per_s: float,
        cancels: bool,
        first_number: int = 0,
        num_distinct: int | None = None,
        is_enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_enough`: whether to leave out the request whose turn it is. `first_number`: of its requests.

        `num_distinct`: see `request`.
        """
        self._http = httpx.Client(base_url=url, timeout=20.0, trust_env=False)
        self._webhook_url = webhook_url
        self._ledger = ledger
        self._seed, self._interval_s, self._cancels = seed, 1 / rate_per_s, cancels
        self._first_number, self._is_enough, self._num_distinct = first_number, is_enough, num_distinct
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="submitter")
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._http.close()
        if self.error:
            raise self.error

    def _run(self) -> None:
        number, next_at_s = self._first_number, time.monotonic()
        try:
            while not self._stop.wait(max(0.0, next_at_s - time.monotonic())):
                next_at_s = max(next_at_s, time.monotonic() - 1) + self._interval_s
                if not self._is_enough():
                    asked = request(self._seed, number, cancels=self._cancels, num_distinct=self._num_distinct)
                    self._submit(asked)
                    number += 1
        except Exception as error:
            self.error = error

    def _submit(self, asked: Request) -> None:
        """The last request is settled too: whoever stops us wants to know of every job."""
        job_id = self._post(asked)
        while job_id is None:
            time.sleep(_RETRY_S)
            job_id = self._find(asked) or self._post(asked)
        self._ledger.accept(job_id, asked)
        if asked.is_cancelled:
            self._send("POST", f"/v1/jobs/{job_id}/cancel")

    def _post(self, asked: Request) -> str | None:
        answer = self._send("POST", "/v1/jobs", json=asked.body(self._webhook_url))
        return str(answer["id"]) if answer else None

    def _find(self, asked: Request) -> str | None:
        """The job of a request whose answer was lost."""
        answer = self._send("GET", "/v1/jobs", params={"limit": 20})
        jobs = answer["data"] if answer else []
        return next((str(job["id"]) for job in jobs if job["metadata"].get(CLIENT_ID) == asked.client_id), None)

    def _send(self, method: str, path: str, **arguments: Any) -> dict[str, Any] | None:
        """None when nothing answers, or 503. Everything else is a fault of the test."""
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.TransportError:
            return None
        if answer.status_code in (429, 503):
            return None
        return dict(answer.raise_for_status().json())
