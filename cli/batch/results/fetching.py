"""Brings the pictures of a line to this machine, each whole or not at all, and tells what became of the line."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.batch.client import BatchClient
from cli.batch.input.lines import Place
from cli.batch.patience import patiently
from cli.batch.results.file import Result
from cli.batch.results.names import stems
from cli.batch.results.outcomes import Drawn, Outcome
from cli.errors import Failure, Unavailable

_MOST_TRIES = 3  # for bytes that are not what was made


@dataclass(frozen=True, slots=True)
class Ended:
    """A line that has ended, with what is known of it here: its place, its prompt, and an earlier run's results."""

    outcome: Outcome
    place: Place
    prompt: str | None
    known: Sequence[Result]

    def name(self, picture: Drawn) -> str:
        """Of the picture's file."""
        n = max(self.place.n, len(self.outcome.pictures))
        return f"{stems(self.place.stem, n)[picture.index]}.{self.outcome.suffix}"


class _Missing(Exception):
    """A picture that can't be had; its text says why."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Writes into one folder. Several threads may fetch different lines at once."""

    client: BatchClient
    folder: Path

    def fetch(self, line: Ended) -> list[Result]:
        """What is to be recorded of the line. A picture that an earlier run brought is not fetched again.

        Raises `Unavailable` when the service stays away, and `Failure` for a file that can't be written.
        """
        outcome = line.outcome
        if not outcome.pictures:
            return [_without_pictures(outcome, line.prompt)]
        return [self._one(line, picture) for picture in outcome.pictures]

    def _one(self, line: Ended, picture: Drawn) -> Result:
        digest, error = None, picture.error
        try:
            digest = self._bring(line, picture) if picture.link else None
        except _Missing as missing:
            error = str(missing)
        return Result(
            custom_id=line.outcome.custom_id,
            index=picture.index,
            file=line.name(picture) if digest else None,
            prompt=line.prompt,
            seed=picture.seed,
            status=picture.status,
            error=error,
            sha256=digest,
            job_id=line.outcome.job_id,
        )

    def _bring(self, line: Ended, picture: Drawn) -> str:
        """The digest of the picture's file, which is there now."""
        path = self.folder / line.name(picture)
        if path.exists():
            before = next((one for one in line.known if one.index == picture.index and one.file == path.name), None)
            if before and before.sha256 and before.sha256 == (picture.sha256 or before.sha256):
                return before.sha256
            if picture.sha256 and _digest(path.read_bytes()) == picture.sha256:
                return picture.sha256  # a run that ended before it could record it
        assert picture.link
        data = self._downloaded(picture.link, picture.sha256)
        _write(path, data)
        return _digest(data)

    def _downloaded(self, link: str, sha256: str | None) -> bytes:
        for _ in range(_MOST_TRIES):
            try:
                data = patiently(lambda: self.client.picture(link))
            except Unavailable:
                raise
            except Failure as error:
                raise _Missing(f"it can't be downloaded: {error.format_message()}") from error
            if sha256 in (None, _digest(data)):
                return data
        raise _Missing("what was downloaded is not what was made: its SHA-256 differs")


def _without_pictures(outcome: Outcome, prompt: str | None) -> Result:
    return Result(
        custom_id=outcome.custom_id,
        index=None,
        file=None,
        prompt=prompt,
        seed=None,
        status=outcome.status,
        error=outcome.error,
        sha256=None,
        job_id=outcome.job_id,
    )


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Failure(f"can't write {path} ({error.strerror})") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
