"""Downloads the large files of a model piece by piece, so that an interrupted download goes on where it ended.

The client of the Hugging Face hub resumes a broken connection, but deletes unfinished files when its process ends.
"""

import fcntl
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, BinaryIO

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cli.doctor.findings import gib
from cli.errors import Failure, Unavailable

if TYPE_CHECKING:
    from huggingface_hub import DryRunFileInfo

LARGE_BYTES = 64 * 2**20  # smaller files begin again after an interruption
TRIES = 5  # connections in a row that bring nothing
PAUSE_S = 1.0
_PARALLEL = 4
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A large file of a model. Its bytes are collected in `part`, which becomes `target` when they are `size` bytes."""

    name: str
    url: str
    size: int
    part: Path
    target: Path

    @property
    def num_bytes_here(self) -> int:
        """Returns how many bytes an earlier, interrupted download has left."""
        return self.part.stat().st_size if self.part.exists() else 0


def large_files(
    model: str, files: Sequence["DryRunFileInfo"], folder: Path | None, endpoint: str | None
) -> list[LargeFile]:
    """Returns the files of `files` that are large and missing. `folder` is None for the cache of Hugging Face.

    Unfinished files are named after their checksum, so a file of another commit is never continued.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url  # noqa: PLC0415 - help loads nothing that it does not need

    found = []
    for file in files:
        if not file.will_download or (file.file_size or 0) < LARGE_BYTES:
            continue
        url = hf_hub_url(model, file.filename, revision=file.commit_hash, endpoint=endpoint)
        about = get_hf_file_metadata(url, endpoint=endpoint)
        if about.etag is None or about.size is None:
            continue
        target = Path(file.local_path) if folder else _blob(model, about.etag)
        parts = folder / ".cache" / "gridpress" if folder else target.parent
        found.append(LargeFile(file.filename, url, about.size, parts / f"{about.etag}.part", target))
    return found


def download(files: Sequence[LargeFile]) -> None:
    """Downloads the files, some at a time. What an earlier call has left of them is continued.

    Raises `Failure` if another process downloads the same file, and the errors of the hub's client.
    """
    stop = Event()
    with _progress() as progress, ThreadPoolExecutor(_PARALLEL) as pool:
        tasks = [pool.submit(_fetch, file, progress(file), stop) for file in files]
        try:
            for task in tasks:
                task.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _blob(model: str, etag: str) -> Path:
    """Returns where the cache of Hugging Face keeps the bytes of a file."""
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415
    from huggingface_hub.file_download import repo_folder_name  # noqa: PLC0415

    return Path(HF_HUB_CACHE) / repo_folder_name(repo_id=model, repo_type="model") / "blobs" / etag


def _fetch(file: LargeFile, advance: Advance, stop: Event) -> None:
    """Downloads what is missing of a file, over several connections if they break."""
    for place in (file.part, file.target):
        place.parent.mkdir(parents=True, exist_ok=True)
    with file.part.open("ab") as out:
        _lock(out, file)
        advance(out.tell())
        tries = 0
        while (begun := out.tell()) < file.size and not stop.is_set():
            fault: Exception = Unavailable(f"the hub sends nothing of {file.name}: the same command goes on later")
            try:
                _append(file, out, advance, stop)
            except httpx.TransportError as error:
                fault = error
            tries = 0 if out.tell() > begun else tries + 1
            if tries >= TRIES:
                raise fault
            if tries:
                stop.wait(PAUSE_S)
    if not stop.is_set():
        file.part.replace(file.target)


def _append(file: LargeFile, out: BinaryIO, advance: Advance, stop: Event) -> None:
    """Writes the rest of a file, or all of it if the server takes no ranges, until the connection ends."""
    from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT  # noqa: PLC0415
    from huggingface_hub.utils import (  # type: ignore[attr-defined] # noqa: PLC0415 - exported without types
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    headers = {**build_hf_headers(), "Range": f"bytes={out.tell()}-", "Accept-Encoding": "identity"}
    with get_session().stream(
        "GET", file.url, headers=headers, follow_redirects=True, timeout=HF_HUB_DOWNLOAD_TIMEOUT
    ) as response:
        hf_raise_for_status(response)
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            advance(-out.tell())
            out.seek(0)
            out.truncate()
        for chunk in response.iter_raw():
            out.write(chunk)
            advance(len(chunk))
            if stop.is_set():
                return


def _lock(out: BinaryIO, file: LargeFile) -> None:
    """Takes the lock of an unfinished file, which ends with the process. Raises `Failure` if another one has it."""
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Failure(f"another `gridpress pull` downloads {file.name} now: wait for its end") from error


@contextmanager
def _progress() -> Iterator[Callable[[LargeFile], Advance]]:
    """Yields a function that begins to show a file. On a terminal each has a bar, else a line at its end."""
    if not sys.stderr.isatty():
        yield _line_at_end
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:

        def begin(file: LargeFile) -> Advance:
            task = bars.add_task(file.name, total=file.size)
            return lambda num_bytes: bars.advance(task, num_bytes)

        yield begin


def _line_at_end(file: LargeFile) -> Advance:
    have = 0

    def advance(num_bytes: int) -> None:
        nonlocal have
        have += num_bytes
        if num_bytes and have == file.size:
            click.echo(f"{file.name}: {gib(file.size)}", err=True)

    return advance
