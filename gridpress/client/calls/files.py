"""Describes the calls of `/v1/files`."""

from pathlib import Path
from typing import IO

from gridpress.client.calls.call import Call, Upload, as_bytes, as_model, as_nothing, escaped
from shared.files import Purpose
from shared.responses.files import FilePage, FileResponse

FILES = "/v1/files"

Content = bytes | Path | IO[bytes]


def upload(content: Content, filename: str | None, purpose: Purpose | str) -> Call[FileResponse]:
    """Uploads a file, which is read while it is sent. The default of `filename` is the name of the file."""
    name = filename or Path(str(getattr(content, "name", "file"))).name
    return Call("POST", FILES, as_model(FileResponse), upload=Upload(name, content, {"purpose": str(purpose)}))


def files(purpose: Purpose | str | None) -> Call[FilePage]:
    """Reads the first page of all files, or of those with this purpose."""
    return Call("GET", FILES, as_model(FilePage), params={"purpose": str(purpose)} if purpose else {})


def file(file_id: str) -> Call[FileResponse]:
    """Reads the record of a file."""
    return Call("GET", _path(file_id), as_model(FileResponse))


def content(file_id: str) -> Call[bytes]:
    """Reads the bytes of a file."""
    return Call("GET", f"{_path(file_id)}/content", as_bytes)


def delete(file_id: str) -> Call[None]:
    """Deletes a file."""
    return Call("DELETE", _path(file_id), as_nothing)


def _path(file_id: str) -> str:
    return f"{FILES}/{escaped(file_id)}"
