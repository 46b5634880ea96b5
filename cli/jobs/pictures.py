"""Reads condition images as data URLs, and writes finished pictures to files."""

import base64
import mimetypes
from collections.abc import Iterator
from pathlib import Path

from cli.client import Client, Json
from cli.errors import Failure


def data_url(path: Path) -> str:
    """Returns the content of a file as a data URL. Does not check whether it is a picture, because the API does."""
    content_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"data:{content_type};base64,{base64.b64encode(path.read_bytes()).decode()}"


def download_all(client: Client, job: Json, out: Path, *, stem: str) -> Iterator[tuple[Json, Path]]:
    """Downloads the finished pictures of a job, in order. Yields the JSON of each picture with the path of its file.

    If `out` is a folder, its files are named `<stem>` with the suffix of their format. Otherwise `out` is the path of
    the file. If the job has several pictures, `-<index>` is added to each name. Raises `Failure` for a file that can't
    be written.
    """
    for image in job["images"]:
        if image["url"]:
            path = _path(out, stem, image["index"], job)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download(job["id"], image["index"], path)
            except OSError as error:
                kept = f"the picture is still stored with {job['id']}"
                raise Failure(f"can't write {path} ({error.strerror}); {kept}") from error
            yield image, path


def _path(out: Path, stem: str, index: int, job: Json) -> Path:
    number = f"-{index}" if job["n"] > 1 else ""
    if out.is_dir():
        return out / f"{stem}{number}.{job['output_format']}"
    return out.with_name(f"{out.stem}{number}{out.suffix}")
