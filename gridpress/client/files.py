"""Implements the calls about files of the sync client. `async_files` is its twin."""

from collections.abc import Iterator

from gridpress.client.calls import files
from gridpress.client.sync_transport import Transport
from shared.files import Purpose
from shared.responses.files import FileResponse


class Files:
    """The calls of `/v1/files`, as `Client().files`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(
        self,
        content: files.Content,
        *,
        filename: str | None = None,
        purpose: Purpose | str = Purpose.VISION,
        idempotency_key: str | None = None,
    ) -> FileResponse:
        """Uploads bytes, an open file, or the file of a `Path`. Returns its record.

        The purpose `vision` is for condition images (`images=[file.id]`), and `batch` for the lines of a batch.
        """
        return self._transport.send(files.upload(content, filename, purpose), idempotency_key)

    def get(self, file_id: str) -> FileResponse:
        """Returns the record of a file. Raises `NotFound`."""
        return self._transport.send(files.file(file_id))

    def list(self, *, purpose: Purpose | str | None = None) -> Iterator[FileResponse]:
        """Yields all files, the newest first, or those with a purpose."""
        return self._transport.pages(files.files(purpose))

    def content(self, file_id: str) -> bytes:
        """Returns the bytes of a file."""
        return self._transport.send(files.content(file_id))

    def delete(self, file_id: str) -> None:
        """Deletes a file."""
        self._transport.send(files.delete(file_id))
