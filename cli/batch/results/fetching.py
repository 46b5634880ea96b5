"""Downloads the pictures of one batch line to files. A download that fails leaves no partial file."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.batch.client import BatchClient
from cli.batch.input.lines import Place
from cli.batch.results.file import Result
from cli.batch.results.names import stems
from cli.batch.results.outcomes import Outcome, PictureOutcome
from cli.batch.retries import with_retries
from cli.errors import Failure, Unavailable

_MOST_TRIES = 3  # for a download whose SHA-256 differs


@dataclass(frozen=True, slots=True)
class EndedLine:
    """A batch line that has ended, with all that is needed to download its pictures.

    `known` has the results of this line that an earlier run recorded.
    """

    outcome: Outcome
    place: Place
    prompt: str | None
    known: Sequence[Result]

    def name(self, picture: PictureOutcome) -> str:
        """Returns the name of the file for one picture of this line."""
        n = max(self.place.n, len(self.outcome.pictures))
        return f"{stems(self.place.stem, n)[picture.index]}.{self.outcome.suffix}"


class _Missing(Exception):
    """Raised when a picture can't be downloaded. The text of the exception is the reason."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Downloads pictures into one folder. Several threads may call `fetch` at the same time, each for another line."""

    client: BatchClient
    folder: Path

    def fetch(self, line: EndedLine) -> list[Result]:
        """Downloads the pictures of a batch line and returns the results to record.

        Skips pictures that an earlier run downloaded. Raises `Unavailable` when the service stays unreachable, and
        `Failure` when a file can't be written.
        """
        outcome = line.outcome
        if not outcome.pictures:
            return [_cut_pictures(outcome, line.prompt)]
        return [self._one(line, picture) for picture in outcome.pictures]

    def _one(self, line: EndedLine, picture: PictureOutcome) -> Result:
        digest, error = None, picture.error
        try:
            digest = self._ensure_file(line, picture) if picture.link else None
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

    def _ensure_file(self, line: EndedLine, picture: PictureOutcome) -> str:
        """Downloads a picture unless an earlier run has downloaded it. Returns the SHA-256 of its file."""
        path = self.folder / line.name(picture)
        if path.exists():
            before = next((one for one in line.known if one.index == picture.index and one.file == path.name), None)
            if before and before.sha256 and before.sha256 == (picture.sha256 or before.sha256):
                return before.sha256
            if picture.sha256 and _digest(path.read_bytes()) == picture.sha256:
                return picture.sha256  # from a run that ended before it recorded this picture
        assert picture.link
        data = self._downloaded(picture.link, picture.sha256)
        _write(path, data)
        return _digest(data)

    def _downloaded(self, link: str, sha256: str | None) -> bytes:
        for _ in range(_MOST_TRIES):
            try:
                data = with_retries(lambda: self.client.picture(link))
            except Unavailable:
                raise
            except Failure as error:
                raise _Missing(f"it can't be downloaded: {error.format_message()}") from error
            if sha256 in (None, _digest(data)):
                return data
        raise _Missing("the download is damaged: its SHA-256 is not that of the picture")


def _cut_pictures(outcome: Outcome, prompt: str | None) -> Result:
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
