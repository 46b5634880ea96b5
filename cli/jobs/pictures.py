"""Pictures on this machine: condition images as data URLs, finished ones as files."""

import base64
import mimetypes
from collections.abc import Iterator
from pathlib import Path

from cli.client import Client, Json
from cli.errors import Failure


def data_url(path: Path) -> str:
    """Returns the file's bytes as a data URL. The API checks whether they are a picture."""
    content_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"data:{content_type};base64,{base64.b64encode(path.read_bytes()).decode()}"


def download_all(client: Client, job: Json, out: Path, *, stem: str) -> Iterator[tuple[Json, Path]]:
    """Downloads the job's finished pictures, in order; yields each with the file that it went to.

    `out` is a folder, where files are called `<stem>-<index>`, or else the file for a single picture; several get
    their index into its name. Raises `Failure` for a file that cannot be written.
    """
    for image in job["images"]:
        if image["url"]:
            path = _path(out, stem, image["index"], job)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download(job["id"], image["index"], path)
            except OSError as error:
                raise Failure(f"can't write {path} ({error.strerror}); the picture stays with {job['id']}") from error
            yield image, path


def _path(out: Path, stem: str, index: int, job: Json) -> Path:
    number = f"-{index}" if job["n"] > 1 else ""
    if out.is_dir():
        return out / f"{stem}{number}.{job['output_format']}"
    return out.with_name(f"{out.stem}{number}{out.suffix}")
