"""Follows a batch to its end and fetches its lines as they end."""

import time

from cli.batch.client import BatchClient
from cli.batch.input.lines import Lines
from cli.batch.patience import patiently
from cli.batch.progress import BatchBars
from cli.batch.results.downloads import Downloads
from cli.batch.results.fetching import Ended
from cli.batch.results.file import Results
from cli.batch.results.outcomes import Outcome
from cli.client import Json

OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_POLL_S = 1.0


class Follower:
    """Of one batch. Asks for each result once, also when a batch that was over goes on."""

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
        """The batch, when it is over and all that it brought is here. Raises as downloads do."""
        while True:
            batch = patiently(lambda: self._client.batch(self._batch_id))
            while self._take_page():  # what ended before the batch was asked for is among them
                bars.show(batch, self._results.num_lines)
            bars.show(batch, self._results.num_lines)
            if batch["status"] in OVER:
                break
            self._rest()
        while self._downloads.settle(None):
            bars.show(batch, self._results.num_lines)
        bars.show(batch, self._results.num_lines)
        return batch

    def _take_page(self) -> bool:
        """Takes the next results; whether there are more."""
        page = patiently(lambda: self._client.results(self._batch_id, self._after))
        for line in page["data"]:
            outcome = Outcome.of(line)
            place, prompt = self._lines.places[outcome.custom_id], self._lines.prompt(outcome.custom_id)
            self._downloads.take(Ended(outcome, place, prompt, self._results.of(outcome.custom_id)))
        self._after = page["last_id"] or self._after
        return bool(page["has_more"])

    def _rest(self) -> None:
        """Until it is time to ask again; meanwhile lines are recorded as they come."""
        until = time.monotonic() + _POLL_S
        while (left_s := until - time.monotonic()) > 0 and self._downloads.settle(left_s):
            pass
        time.sleep(max(0.0, until - time.monotonic()))
