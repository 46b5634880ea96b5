"""Downloads the large files of a model piece by piece, so that an interrupted download goes on where it ended.

The client of the Hugging Face hub resumes a broken connection, but deletes unfinished files when its process ends.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, BinaryIO

import httpx

from shared.errors import DownloadInterrupted
from workers.model.hub_faults import TRIES, ask_again, lasting, passing_fault, pause_s

if TYPE_CHECKING:
    from huggingface_hub import DryRunFileInfo

LARGE_BYTES = 64 * 2**20  # smaller files begin again after an interruption
_PARALLEL = 4
Advance = Callable[[int], None]


class FileBusy(Exception):
    """Raised when another process downloads the same file now. The message is the name of the file."""


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

    Unfinished files are named after their checksum, so a file of another commit is never continued. Raises
    `DownloadInterrupted` if the hub goes on to refuse requests for now.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url  # noqa: PLC0415 - help loads nothing that it does not need

    found = []
    for file in files:
        if not file.will_download or (file.file_size or 0) < LARGE_BYTES:
            continue
        url = hf_hub_url(model, file.filename, revision=file.commit_hash, endpoint=endpoint)
        about = ask_again(partial(get_hf_file_metadata, url, endpoint=endpoint), file.filename)
        if about.etag is None or about.size is None:
            continue
        target = Path(file.local_path) if folder else _blob(model, about.etag)
        parts = folder / ".cache" / "gridpress" if folder else target.parent
        found.append(LargeFile(file.filename, url, about.size, parts / f"{about.etag}.part", target))
    return found


def download_large(files: Sequence[LargeFile], begin: Callable[[LargeFile], Advance], *, waits: bool = False) -> None:
    """Downloads the files, some at a time. What an earlier call has left of them is continued. `begin` returns the
    function that counts the bytes of a file.

    If another process downloads the same file, raises `FileBusy`, or waits for its end if `waits`. Raises the errors of
    the hub's client, and `DownloadInterrupted` if the hub sends nothing or refuses requests for now.
    """
    stop = Event()
    with ThreadPoolExecutor(_PARALLEL) as pool:
        tasks = [pool.submit(_fetch, file, begin(file), stop, waits=waits) for file in files]
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


def _fetch(file: LargeFile, advance: Advance, stop: Event, *, waits: bool) -> None:
    """Downloads what is missing of a file, unless another process has finished the file meanwhile."""
    for place in (file.part, file.target):
        place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(file, waits=waits) as out:
        if file.target.exists():
            file.part.unlink(missing_ok=True)
            advance(file.size)
            return
        advance(out.tell())
        _complete(file, out, advance, stop)
        if not stop.is_set():
            out.flush()
            file.part.replace(file.target)  # while locked, so that no other process sees neither file


def _complete(file: LargeFile, out: BinaryIO, advance: Advance, stop: Event) -> None:
    """Writes the rest of a file, over several connections if they break or the hub refuses requests for a while."""
    tries = 0
    while (begun := out.tell()) < file.size and not stop.is_set():
        fault: Exception = DownloadInterrupted(f"the hub sends nothing of {file.name}")
        try:
            _append(file, out, advance, stop)
        except (httpx.HTTPError, OSError) as error:
            if (passing := passing_fault(error)) is None:
                raise
            fault = passing
        tries = 0 if out.tell() > begun else tries + 1
        if tries >= TRIES:
            raise lasting(fault, file.name)
        if tries:
            stop.wait(pause_s(fault))


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


@contextmanager
def _locked(file: LargeFile, *, waits: bool) -> Iterator[BinaryIO]:
    """Opens and locks the unfinished file. The lock ends with the `with` statement, or with the process.

    Raises `FileBusy` if another process has the lock.
    """
    while True:
        with file.part.open("ab") as out:
            _lock(out, file, waits=waits)
            if not _is_at(file.part, out):  # the process that had the lock has finished this file
                continue
            out.seek(0, os.SEEK_END)
            yield out
            return


def _lock(out: BinaryIO, file: LargeFile, *, waits: bool) -> None:
    try:
        fcntl.flock(out, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileBusy(file.name) from error


def _is_at(path: Path, out: BinaryIO) -> bool:
    """Returns whether the open file still has this path."""
    return path.exists() and os.path.samestat(path.stat(), os.fstat(out.fileno()))
