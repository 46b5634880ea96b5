"""Downloads the pictures of a batch on eight threads. Limits the queue, so that any batch needs little memory."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Self

from cli.batch.results.fetching import EndedLine
from cli.batch.results.file import Result, Results

_AT_ONCE = 8
_MOST_WAITING = 4 * _AT_ONCE


class Downloads:
    """Downloads the pictures of batch lines on threads.

    When all pictures of a line are downloaded, the thread of the caller records the line's results.
    """

    def __init__(self, fetch: Callable[[EndedLine], list[Result]], results: Results) -> None:
        self._fetch = fetch
        self._results = results
        self._threads = ThreadPoolExecutor(_AT_ONCE, "download")
        self._pending: dict[Future[list[Result]], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for the downloads that have started, and records their results. Cancels the other downloads."""
        self._threads.shutdown(cancel_futures=True)
        for future, custom_id in self._pending.items():
            if future.done() and not future.cancelled() and not future.exception():
                self._results.record(custom_id, future.result())

    def take(self, line: EndedLine) -> None:
        """Queues the download of a line's pictures. Raises the error of an earlier download that failed.

        Blocks while 32 lines are pending. Also blocks while an earlier result of the same line, from before a retry, is
        pending.
        """
        custom_id = line.outcome.custom_id
        while len(self._pending) >= _MOST_WAITING or custom_id in self._pending.values():
            self.settle(None)
        self._pending[self._threads.submit(self._fetch, line)] = custom_id

    def settle(self, timeout_s: float | None) -> bool:
        """Waits until at least one line is downloaded or `timeout_s` is over. Records the results of downloaded lines.

        Returns whether lines are still pending. Raises the error of a download that failed.
        """
        done, _ = wait(self._pending, timeout_s, FIRST_COMPLETED)
        for future in done:
            custom_id = self._pending.pop(future)
            self._results.record(custom_id, future.result())
        return bool(self._pending)
