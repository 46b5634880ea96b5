"""Downloads the parts of a model that a worker needs from the Hugging Face hub, and checks what has arrived.

A large file that was interrupted goes on where it ended. Files that are here already cause no request.
"""

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import httpx
import structlog
from huggingface_hub import RepoFile, constants, get_cached_repo_tree, snapshot_download
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    DryRunError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils.tqdm import tqdm

from shared.errors import DownloadInterrupted, MissingCheckpoint
from shared.schedule.starting_worker import StartPhase
from workers.model.hub_faults import first_line, passing_fault
from workers.model.large_files import download_large, large_files

log = structlog.get_logger()

HOW_TO_GET_ONE = (
    "set GRIDPRESS_MODEL=zai-org/GLM-Image, or GRIDPRESS_MODEL=demo for the small model that comes with Gridpress"
)
_BLOCK_BYTES = 1 << 22


class Phases(Protocol):
    """Shows the progress of a phase of this many bytes. The value of the `with` statement counts bytes."""

    def __call__(self, phase: StartPhase, total_bytes: int = 0, /) -> AbstractContextManager[Callable[[int], None]]: ...


def download(
    model: str, revision: str | None, parts: Sequence[str], phase: Phases, endpoint: str | None = None
) -> Path:
    """Returns the folder with these parts of a model of the hub, whose name is the commit. Downloads what is missing,
    and compares it with the checksums of the hub. `endpoint` is the URL of the hub, if it is not the usual one.

    Raises `MissingCheckpoint` if the hub has no such model or the disk is full, and `DownloadInterrupted` if another
    start would go on with the download.
    """
    patterns = ["model_index.json", *(f"{part}/*" for part in parts)]
    fetch: Callable[..., Any] = partial(
        snapshot_download, model, revision=revision, allow_patterns=patterns, endpoint=endpoint
    )
    with _hub_errors(model):
        try:
            missing = [file for file in fetch(dry_run=True) if file.will_download]
        except (
            DryRunError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
            HfHubHTTPError,
            httpx.TransportError,
        ) as error:
            folder = _folder_here(fetch, error)
        else:
            folder = _fetch_missing(model, missing, fetch, phase, endpoint) if missing else Path(fetch())
    if revision is None:
        remedy = f"set GRIDPRESS_MODEL_REVISION={folder.name}"
        log.warning("model.not_pinned", model=model, commit=folder.name, remedy=remedy)
    return folder


def _folder_here(fetch: Callable[..., Any], fault: Exception) -> Path:
    """Returns the folder of a model of which all files are here. Asks the hub nothing, because files that it sent now
    would not be checked. Raises `fault`, the reason why the hub could not be asked, if files are missing.
    """
    try:
        return Path(fetch(local_files_only=True))
    except LocalEntryNotFoundError:
        raise fault from fault.__cause__


def _fetch_missing(
    model: str, missing: Sequence[Any], fetch: Callable[..., Any], phase: Phases, endpoint: str | None
) -> Path:
    """Downloads the missing files and checks them. Returns the folder of the model."""
    large = large_files(model, missing, None, endpoint)
    num_bytes = sum(file.file_size for file in missing)
    _check_room(model, num_bytes - sum(file.num_bytes_here for file in large))
    with phase(StartPhase.DOWNLOADING, num_bytes) as on_bytes:
        download_large(large, lambda _: on_bytes, waits=True)
        folder = Path(fetch(tqdm_class=_counting_bar(on_bytes)))
    _check_sums(model, folder, {file.filename for file in missing})
    return folder


def _check_room(model: str, num_bytes: int) -> None:
    target = Path(constants.HF_HUB_CACHE).expanduser().resolve()
    disk = next(path for path in (target, *target.parents) if path.exists())
    free = shutil.disk_usage(disk).free
    if num_bytes > free:
        need, has = num_bytes / 1e9, free / 1e9
        raise MissingCheckpoint(
            f"{model} needs {need:.1f} GB more in {target}, whose disk has {has:.1f} GB free: free some, or set HF_HOME"
        )


def _counting_bar(on_bytes: Callable[[int], None]) -> type[tqdm]:
    """Returns a progress bar that shows nothing and passes on the bytes that are written to files."""

    class Bar(tqdm):
        def __init__(self, *given: Any, **options: Any) -> None:
            # One of the hub's bars counts bytes on the network, and one files.
            self._counts = options.get("unit") == "B" and str(options.get("desc")).startswith("Reconstructing")
            super().__init__(*given, **{**options, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            if self._counts:
                on_bytes(int(n or 0))
            return None

    return Bar


def _check_sums(model: str, folder: Path, names: set[str]) -> None:
    """Deletes the files that differ from the hub's, and raises `DownloadInterrupted` with their names."""
    try:
        tree = get_cached_repo_tree(model, revision=folder.name)
    except CachedRepoTreeNotFoundError:
        return
    wrong = [file.path for file in tree if file.path in names and not has_checksum(folder / file.path, file)]
    for name in wrong:
        (folder / name).resolve().unlink(missing_ok=True)
        (folder / name).unlink(missing_ok=True)
    if wrong:
        raise DownloadInterrupted(f"files of {model} differ from those of the hub and were deleted: {', '.join(wrong)}")


def has_checksum(path: Path, wanted: RepoFile) -> bool:
    """Returns whether a file has the checksum that the hub has for it: SHA-256, or Git's SHA-1 for a small file."""
    digest = hashlib.sha256() if wanted.lfs else hashlib.sha1(usedforsecurity=False)
    if not wanted.lfs:
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest() == (wanted.lfs.sha256 if wanted.lfs else wanted.blob_id)


@contextmanager
def _hub_errors(model: str) -> Iterator[None]:
    """Translates the errors of the hub's client, and of the disk, to one line."""
    try:
        yield
    except (HFValidationError, httpx.HTTPError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MissingCheckpoint(
                f"the disk of {constants.HF_HUB_CACHE} is full: {model} can't be downloaded"
            ) from error
        if fault := passing_fault(error):
            raise DownloadInterrupted(
                f"the download of {model} broke off ({first_line(fault)}); another start goes on with it"
            ) from error
        reason = first_line(error)
        if "Consistency check failed" in str(error):
            raise DownloadInterrupted(f"the download of {model} broke off: {reason}") from error
        raise MissingCheckpoint(
            f"{model} is no folder here and no model that can be downloaded ({reason}): {HOW_TO_GET_ONE}"
        ) from error
