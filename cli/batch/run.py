"""Runs the batch of one output folder: creates the batch unless it exists, and downloads its pictures until it ends."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.batch.client import BatchClient
from cli.batch.follow import Follower
from cli.batch.input.lines import Lines
from cli.batch.progress import BatchBars
from cli.batch.results.downloads import Downloads
from cli.batch.results.fetching import Fetcher
from cli.batch.results.file import Results
from cli.batch.results.report import refusal, unfinished
from cli.batch.state import State, StateFile
from cli.client import Json
from cli.errors import Busy, Failure, Unavailable


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of the command `gridpress batch run`.

    `settings` are fields of the batch, which are sent to the service unchanged.
    """

    prompts: Path
    out: Path
    url: str
    settings: dict[str, Any]
    is_new: bool
    retry_failed: bool
    cancel_on_interrupt: bool


class Run:
    """Creates or continues the batch of one output folder. The caller holds the lock of the folder."""

    def __init__(self, client: BatchClient, options: RunOptions, lines: Lines, console: Console) -> None:
        self._client = client
        self._options = options
        self._lines = lines
        self._console = console
        self._file = StateFile(options.out)
        self._state = self._initial_state()

    def to_the_end(self) -> int:
        """Creates or continues the batch and waits for its end. Returns the number of downloaded pictures.

        Raises `Failure` on Ctrl-C, and when lines failed, with a message that lists these lines.
        """
        try:
            batch_id = self._batch_id()
            with Results(self._options.out) as results:
                batch = self._follow(batch_id, results)
                results.settle(self._lines.places)
        except KeyboardInterrupt:
            raise Failure(self._interrupted()) from None
        if batch["status"] == "failed":
            self._discard()  # no line ran, so a corrected file may use this folder
            raise refusal(self._options.prompts, self._lines, batch)
        if why := unfinished(self._options.out, self._lines, results, batch):
            raise Failure(why)
        return results.num_pictures

    def _initial_state(self) -> State:
        """Returns the state that an earlier run saved in the output folder. Without one, saves and returns a new state.

        Raises `Failure` when the folder belongs to another batch.
        """
        new = State.new(self._options.url.rstrip("/"), self._lines.sha256, self._options.settings)
        before = None if self._options.is_new else self._file.read()
        if before is None:
            if self._options.is_new:
                Results.delete(self._options.out)
            elif Results.is_in(self._options.out):
                raise Failure(f"{self._options.out} has results of another batch: choose another --out, or add --new")
            self._file.write(new)
            return new
        if why := before.why_another(new):
            batch = before.batch_id or "another run"
            raise Failure(
                f"{self._options.out} belongs to {batch}, and {why}: choose another --out, or start anew with --new"
            )
        return before

    def _batch_id(self) -> str:
        state = self._state
        if state.batch_id is None:
            try:
                with self._console.status(f"uploading {len(self._lines.places)} lines"):
                    self._create()
            except (Unavailable, Busy):
                raise
            except Failure:
                self._discard()  # the service rejected it, so no later run can continue it
                raise
        assert self._state.batch_id
        self._console.print(f"{self._state.batch_id}  {len(self._lines.places)} lines", highlight=False)
        return self._state.batch_id

    def _create(self) -> None:
        """Uploads the lines and creates the batch. Saves the ids of the file and of the batch.

        If an interrupted run has already created them, the service returns the same file and batch. This is because
        every run of this folder sends the same idempotency keys.
        """
        key = self._state.key
        file_id = self._state.file_id
        if file_id is None:
            name = f"{self._options.prompts.stem}.jsonl"
            file_id = self._client.upload(self._lines.file, name, key=f"{key}-file")["id"]
            self._save(replace(self._state, file_id=file_id))
        batch = self._client.create(self._lines.of_file(file_id) | self._options.settings, key=f"{key}-batch")
        self._save(replace(self._state, batch_id=batch["id"]))
        if batch.get("on_time") is False:
            self._console.print(
                f"expected end: {batch['expected_end']}, later than {batch['finish_by']}", highlight=False
            )

    def _discard(self) -> None:
        self._file.delete()
        Results.delete(self._options.out)

    def _save(self, state: State) -> None:
        self._file.write(state)
        self._state = state

    def _follow(self, batch_id: str, results: Results) -> Json:
        fetcher = Fetcher(self._client, self._options.out)
        with (
            BatchBars(len(self._lines.places), self._console) as bars,
            Downloads(fetcher.fetch, results) as downloads,
        ):
            follower = Follower(self._client, batch_id, self._lines, results, downloads)
            batch = follower.until_over(bars)
            if self._options.retry_failed and self._retry_failed(batch):
                batch = follower.until_over(bars)
            return batch

    def _retry_failed(self, batch: Json) -> bool:
        """Asks the service to render the failed lines again. Returns whether the service will render any.

        The service does not retry a line with an invalid request.
        """
        counts = batch["request_counts"]
        if batch["status"] == "failed" or counts["completed"] == counts["total"]:
            return False
        try:
            self._client.change(batch["id"], "retry")
        except Unavailable:
            raise
        except Failure as refused:
            self._console.print(refused.format_message(), markup=False, highlight=False)
            return False
        return True

    def _interrupted(self) -> str:
        again = "run the same command to continue"
        batch_id = self._state.batch_id
        if batch_id is None:
            return f"interrupted before the batch was created: {again}"
        if self._options.cancel_on_interrupt:
            self._client.change(batch_id, "cancel")
            return f"interrupted: {batch_id} is cancelled"
        return f"interrupted; {batch_id} goes on: {again}, or `gridpress batch cancel {batch_id}` to cancel it"
