"""One run over one folder: the batch is made unless it stands already, followed to its end, and fetched."""

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
class Asked:
    """What a command line says besides the prompts. `settings` go to the service as they are."""

    prompts: Path
    out: Path
    url: str
    settings: dict[str, Any]
    is_new: bool
    retry_failed: bool
    cancel_on_interrupt: bool


class Run:
    """Of the batch that a folder has. The folder is this process' own meanwhile."""

    def __init__(self, client: BatchClient, asked: Asked, lines: Lines, console: Console) -> None:
        self._client = client
        self._asked = asked
        self._lines = lines
        self._console = console
        self._file = StateFile(asked.out)
        self._state = self._begun()

    def to_the_end(self) -> int:
        """The number of pictures that are here now. Raises `Failure` that tells which lines are not."""
        try:
            batch_id = self._batch_id()
            with Results(self._asked.out) as results:
                batch = self._followed(batch_id, results)
                results.settle(self._lines.places)
        except KeyboardInterrupt:
            raise Failure(self._interrupted()) from None
        if batch["status"] == "failed":
            self._forget()  # nothing of it ran: a mended file may take its place
            raise refusal(self._asked.prompts, self._lines, batch)
        if why := unfinished(self._asked.out, self._lines, results, batch):
            raise Failure(why)
        return results.num_pictures

    def _begun(self) -> State:
        """The state of the run before, or a new one."""
        new = State.new(self._asked.url.rstrip("/"), self._lines.sha256, self._asked.settings)
        before = None if self._asked.is_new else self._file.read()
        if before is None:
            if self._asked.is_new:
                Results.forget(self._asked.out)
            elif Results.is_in(self._asked.out):
                raise Failure(f"{self._asked.out} has the results of another batch: name another --out, or say --new")
            self._file.write(new)
            return new
        if why := before.why_another(new):
            batch = before.batch_id or "another run"
            raise Failure(
                f"{self._asked.out} belongs to {batch}, and {why}: name another --out, or begin anew with --new"
            )
        return before

    def _batch_id(self) -> str:
        state = self._state
        if state.batch_id is None:
            try:
                with self._console.status(f"uploading {len(self._lines.places)} lines"):
                    self._make()
            except (Unavailable, Busy):
                raise
            except Failure:
                self._forget()  # it was refused, so there is nothing to go on with
                raise
        assert self._state.batch_id
        self._console.print(f"{self._state.batch_id}  {len(self._lines.places)} lines", highlight=False)
        return self._state.batch_id

    def _make(self) -> None:
        """File and batch. What an interrupted run made already is answered again: its keys are the same."""
        key = self._state.key
        file_id = self._state.file_id
        if file_id is None:
            name = f"{self._asked.prompts.stem}.jsonl"
            file_id = self._client.upload(self._lines.file, name, key=f"{key}-file")["id"]
            self._note(replace(self._state, file_id=file_id))
        batch = self._client.create(self._lines.of_file(file_id) | self._asked.settings, key=f"{key}-batch")
        self._note(replace(self._state, batch_id=batch["id"]))
        if batch.get("on_time") is False:
            self._console.print(
                f"expected end: {batch['expected_end']}, later than {batch['finish_by']}", highlight=False
            )

    def _forget(self) -> None:
        self._file.forget()
        Results.forget(self._asked.out)

    def _note(self, state: State) -> None:
        self._file.write(state)
        self._state = state

    def _followed(self, batch_id: str, results: Results) -> Json:
        fetcher = Fetcher(self._client, self._asked.out)
        with (
            BatchBars(len(self._lines.places), self._console) as bars,
            Downloads(fetcher.fetch, results) as downloads,
        ):
            follower = Follower(self._client, batch_id, self._lines, results, downloads)
            batch = follower.until_over(bars)
            if self._asked.retry_failed and self._is_tried_again(batch):
                batch = follower.until_over(bars)
            return batch

    def _is_tried_again(self, batch: Json) -> bool:
        """Whether the service took lines up again. Those whose request is wrong stay wrong."""
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
        again = "the same command goes on with it"
        batch_id = self._state.batch_id
        if batch_id is None:
            return f"interrupted before the batch was made: {again}"
        if self._asked.cancel_on_interrupt:
            self._client.change(batch_id, "cancel")
            return f"interrupted: {batch_id} is cancelled"
        return f"interrupted; {batch_id} goes on: {again}, `gridpress batch cancel {batch_id}` ends it"
