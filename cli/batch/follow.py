"""Polls a batch until it ends, and downloads the pictures of each line as soon as the line has ended."""

import time

from cli.batch.client import BatchClient
from cli.batch.input.lines import Lines
from cli.batch.progress import BatchBars
from cli.batch.results.downloads import Downloads
from cli.batch.results.fetching import EndedLine
from cli.batch.results.file import Results
from cli.batch.results.outcomes import Outcome
from cli.batch.retries import with_retries
from cli.client import Json

OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_POLL_S = 1.0


class Follower:
    """Polls one batch and downloads the pictures of the lines that have ended.

    Requests each result only once, even if a retry continues the batch after its end.
    """

    def __init__(
        self, client: BatchClient, batch_id: str, lines: Lines, results: Results, downloads: Downloads
    ) -> None:
        self._client = client
        self._batch_id = batch_id
        self._lines = lines
        self._results = results
        self._downloads = downloads
        self._after: str | None = None

    def until_over(self, bars: BatchBars) -> Json:
        """Polls the batch until it has ended and all its pictures are downloaded. Returns the batch.

        Raises `Unavailable` when the service stays unreachable, and `Failure` when a picture file can't be written.
        """
        while True:
            batch = with_retries(lambda: self._client.batch(self._batch_id))
            while self._take_page():  # includes every line that ended before the batch was read
                bars.show(batch, self._results.num_lines)
            bars.show(batch, self._results.num_lines)
            if batch["status"] in OVER:
                break
            self._wait_for_next_poll()
        while self._downloads.settle(None):
            bars.show(batch, self._results.num_lines)
        bars.show(batch, self._results.num_lines)
        return batch

    def _take_page(self) -> bool:
        """Requests the next page of the batch's results and queues the downloads of their pictures.

        Returns whether more pages follow.
        """
        page = with_retries(lambda: self._client.results(self._batch_id, self._after))
        for line in page["data"]:
            outcome = Outcome.of(line)
            place, prompt = self._lines.places[outcome.custom_id], self._lines.prompt(outcome.custom_id)
            self._downloads.take(EndedLine(outcome, place, prompt, self._results.of(outcome.custom_id)))
        self._after = page["last_id"] or self._after
        return bool(page["has_more"])

    def _wait_for_next_poll(self) -> None:
        """Waits until the next poll of the batch is due. Meanwhile, records the lines whose downloads finish."""
        until = time.monotonic() + _POLL_S
        while (left_s := until - time.monotonic()) > 0 and self._downloads.settle(left_s):
            pass
        time.sleep(max(0.0, until - time.monotonic()))
