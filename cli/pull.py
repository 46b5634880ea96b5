"""Implements `gridpress pull`, which downloads a model from the Hugging Face hub before the service needs it."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from cli.doctor.findings import gib
from cli.errors import Failure, Unavailable
from cli.large_files import download
from cli.options import FOLDER
from cli.output.answers import print_answer
from cli.stack.checkpoint import REAL_MODEL
from shared import demo_model
from shared.errors import DownloadInterrupted
from workers.model.fingerprint import write_parts_file
from workers.model.hub_faults import first_line, passing_fault
from workers.model.large_files import LargeFile, large_files
from workers.model.shards import broken_shards

if TYPE_CHECKING:
    from huggingface_hub import DryRunFileInfo

_PATTERNS = ["model_index.json", "*/*"]  # the parts of a pipeline are folders; pages and pictures of the hub are not
_SPARE_BYTES = 2**30  # free disk space that a download must leave


@click.command()
@click.argument("model", metavar="MODEL")
@click.option("--revision", help="Branch, tag or commit of the model.  [default: the newest]")
@click.option("--to", "folder", type=FOLDER, help="Folder for the files.  [default: the cache of Hugging Face]")
@click.option("--no-check", is_flag=True, help="Do not compare the files with the checksums of the hub.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: model, commit, folder and bytes.")
def pull(*, model: str, revision: str | None, folder: Path | None, no_check: bool, as_json: bool) -> None:
    """Download MODEL, such as zai-org/GLM-Image, from the Hugging Face hub, and print the folder of its files.

    Shows the progress of each large file. Run the same command again after an interruption: finished files, and what is
    there of unfinished large files, are not downloaded twice. Then compares every file with its checksum on the hub.
    `gridpress up --model MODEL` finds the files without a download. HF_TOKEN is the access token, and HF_HOME the
    folder of the cache.

    \b
    Example:
      gridpress pull zai-org/GLM-Image
    """
    if model == demo_model.NAME:
        raise click.UsageError(f"the model {model} comes with Gridpress: there is nothing to download")
    if Path(model).expanduser().is_dir():
        raise click.UsageError(f"{model} is a folder on this machine: give the id of a model, such as {REAL_MODEL}")
    with _hub_errors(model):
        files = _listed(model, revision, folder)
        large = large_files(model, files, folder, _endpoint())
        _check_room(files, large, folder)
        commit = files[0].commit_hash
        path = _downloaded(model, commit, large, folder)
        if not no_check:
            _check(model, commit, path, folder)
    _check_heads(path)
    if folder:
        write_parts_file(path)
    num_bytes = sum(file.file_size or 0 for file in files)
    found = {"model": model, "commit": commit, "folder": str(path), "bytes": num_bytes}
    print_answer(found, str(path), as_json=as_json)
    served = folder.resolve() if folder else model
    click.echo(f"{gib(num_bytes)}; to serve it: gridpress up --model {served}", err=True)


def _listed(model: str, revision: str | None, folder: Path | None) -> Sequence["DryRunFileInfo"]:
    """Returns the files of the model that belong to its parts, with their sizes. Downloads nothing."""
    from huggingface_hub import HfApi, snapshot_download  # noqa: PLC0415 - help loads nothing that it does not need

    HfApi(endpoint=_endpoint()).model_info(model, revision=revision)  # names the fault, which a dry run does not
    found = snapshot_download(
        model, revision=revision, local_dir=folder, allow_patterns=_PATTERNS, dry_run=True, endpoint=_endpoint()
    )
    assert not isinstance(found, str)
    if not any(file.filename == "model_index.json" for file in found):
        raise Failure(f"{model} is no pipeline of diffusers: it has no model_index.json. The model is {REAL_MODEL}")
    return found


def _check_room(files: Sequence["DryRunFileInfo"], large: Sequence[LargeFile], folder: Path | None) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415

    missing = sum(file.file_size or 0 for file in files if file.will_download)
    missing -= sum(file.num_bytes_here for file in large)
    target = (folder or Path(HF_HUB_CACHE)).resolve()
    disk = next(path for path in (target, *target.parents) if path.exists())
    free = shutil.disk_usage(disk).free
    click.echo(f"{len(files)} files; {gib(missing)} to download into {target}", err=True)
    if missing + _SPARE_BYTES > free:
        raise Failure(f"{disk} has only {gib(free)} free: free some, or name another folder with --to or HF_HOME")


def _downloaded(model: str, commit: str, large: Sequence[LargeFile], folder: Path | None) -> Path:
    """Downloads the large files and then all others. Returns the folder of the model."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars  # noqa: PLC0415

    enable_progress_bars() if sys.stderr.isatty() else disable_progress_bars()
    try:
        download(large)
        return Path(
            snapshot_download(model, revision=commit, local_dir=folder, allow_patterns=_PATTERNS, endpoint=_endpoint())
        )
    except KeyboardInterrupt:
        raise Failure("interrupted: the same command goes on where the download ended") from None


def _check(model: str, commit: str, path: Path, folder: Path | None) -> None:
    """Compares the files with their checksums on the hub. Deletes files that differ, and raises `Failure` then."""
    from huggingface_hub import HfApi  # noqa: PLC0415

    with Console(stderr=True).status("comparing the files with the checksums of the hub"):
        found = HfApi(endpoint=_endpoint()).verify_repo_checksums(model, revision=commit, local_dir=folder)
    wrong = [mismatch["path"] for mismatch in found.mismatches]
    missing = [name for name in found.missing_paths if name == "model_index.json" or "/" in name]
    for name in wrong:
        (path / name).resolve().unlink(missing_ok=True)
        (path / name).unlink(missing_ok=True)
    if wrong or missing:
        names = ", ".join([*wrong, *missing][:5])
        raise Failure(f"files differ from those of the hub and were deleted: {names}; run the same command again")
    click.echo(f"all {found.checked_count} files have the checksums of the hub", err=True)


def _check_heads(path: Path) -> None:
    """Raises `Failure` if the hub itself has a file of weights that no worker could load, or `--no-check` kept one."""
    parts = sorted(part for part in path.iterdir() if part.is_dir())
    if faults := [fault for part in parts for fault in broken_shards(part)]:
        raise Failure(f"{path}: {'; '.join(faults)}. Delete these files, and run the same command again")


@contextmanager
def _hub_errors(model: str) -> Iterator[None]:
    """Turns an error of the hub's client library into one line that says what to do."""
    import httpx  # noqa: PLC0415
    from huggingface_hub import errors  # noqa: PLC0415

    try:
        yield
    except errors.GatedRepoError as error:
        raise Failure(f"{model} asks for an agreement on its page of the hub, and for HF_TOKEN") from error
    except errors.RevisionNotFoundError as error:
        raise Failure(f"{model} has no such revision: leave out --revision for the newest") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise Failure(
            f"the hub has no model {model}, or it is private and HF_TOKEN is missing. The model is {REAL_MODEL}"
        ) from error
    except (
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        errors.DryRunError,
        httpx.TransportError,
    ) as error:
        raise Unavailable(
            "the Hugging Face hub does not answer: check the network, a proxy (HTTPS_PROXY) and HF_HUB_OFFLINE; "
            "the same command goes on later"
        ) from error
    except DownloadInterrupted as error:
        raise Unavailable(f"{error}: the same command goes on later") from error
    except errors.HfHubHTTPError as error:
        if passing_fault(error):
            raise Unavailable(
                f"the hub refuses requests now ({first_line(error)}): the same command goes on later"
            ) from error
        raise Failure(f"the hub refused: {first_line(error)}") from error


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")
