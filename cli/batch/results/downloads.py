"""Fetches lines on several threads. Few wait for a thread, so a batch of any size takes little memory."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Self

from cli.batch.results.fetching import Ended
from cli.batch.results.file import Result, Results

_AT_ONCE = 8
_MOST_WAITING = 4 * _AT_ONCE


class Downloads:
    """Records each line when all of it is here. Everything but fetching happens on the thread that calls."""

    def __init__(self, fetch: Callable[[Ended], list[Result]], results: Results) -> None:
        self._fetch = fetch
        self._results = results
        self._threads = ThreadPoolExecutor(_AT_ONCE, "download")
        self._pending: dict[Future[list[Result]], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What was begun is finished and recorded; the rest is dropped."""
        self._threads.shutdown(cancel_futures=True)
        for future, custom_id in self._pending.items():
            if future.done() and not future.cancelled() and not future.exception():
                self._results.record(custom_id, future.result())

    def take(self, line: Ended) -> None:
        """Waits while too many lines do, and for an earlier word on this one. Raises as `settle` does."""
        custom_id = line.outcome.custom_id
        while len(self._pending) >= _MOST_WAITING or custom_id in self._pending.values():
            self.settle(None)
        self._pending[self._threads.submit(self._fetch, line)] = custom_id

    def settle(self, timeout_s: float | None) -> bool:
        """Waits until a line is here, or so long; whether any is still to come. Raises what fetching it raised."""
        done, _ = wait(self._pending, timeout_s, FIRST_COMPLETED)
        for future in done:
            custom_id = self._pending.pop(future)
            self._results.record(custom_id, future.result())
        return bool(self._pending)
