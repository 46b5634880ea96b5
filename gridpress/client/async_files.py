"""Implements the calls about files of the async client. `files` is its twin."""

from collections.abc import AsyncIterator

from gridpress.client.async_transport import AsyncTransport
from gridpress.client.calls import files
from shared.files import Purpose
from shared.responses.files import FileResponse


class AsyncFiles:
    """The calls of `/v1/files`, as `AsyncClient().files`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def upload(
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
        return await self._transport.send(files.upload(content, filename, purpose), idempotency_key)

    async def get(self, file_id: str) -> FileResponse:
        """Returns the record of a file. Raises `NotFound`."""
        return await self._transport.send(files.file(file_id))

    def list(self, *, purpose: Purpose | str | None = None) -> AsyncIterator[FileResponse]:
        """Yields all files, the newest first, or those with a purpose."""
        return self._transport.pages(files.files(purpose))

    async def content(self, file_id: str) -> bytes:
        """Returns the bytes of a file."""
        return await self._transport.send(files.content(file_id))

    async def delete(self, file_id: str) -> None:
        """Deletes a file."""
        await self._transport.send(files.delete(file_id))
