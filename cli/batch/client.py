"""Implements the requests of the commands for batches and files."""

from typing import IO

from cli.client import Client, Json
from gridpress.client.calls import batches, files, service
from gridpress.client.calls.batches import BATCHES
from gridpress.client.calls.call import Call, as_bytes
from gridpress.client.calls.files import FILES

__all__ = ["BATCHES", "FILES", "BatchClient"]


class BatchClient(Client):
    """A client for the API's routes of batches and files.

    A request that is repeated with the same idempotency `key` takes effect only once.
    """

    def upload(self, file: IO[bytes], filename: str, purpose: str = "batch", key: str | None = None) -> Json:
        """Uploads a file as a stream. Returns the file object of the API."""
        return self._json(files.upload(file, filename, purpose), key)

    def files(self, limit: int, purpose: str | None) -> Json:
        """Returns a page of up to `limit` stored files in `data`, the newest first.

        If `purpose` is given, returns only files with this purpose.
        """
        return self._get(FILES, limit=limit, **({"purpose": purpose} if purpose else {}))

    def delete_file(self, file_id: str) -> Json:
        return self._json(files.delete(file_id))

    def create(self, fields: Json, key: str | None = None) -> Json:
        return self._post(BATCHES, fields, key)

    def validate(self, fields: Json) -> Json:
        """Has the service check every line of an uploaded file. Returns the service's report.

        This also works for a file that the service would not accept as a batch.
        """
        return self._post(f"{BATCHES}/validate", fields)

    def dry_run(self, fields: Json) -> Json:
        """Has the service check a request for a new batch, but creates no batch. Returns the service's report.

        The report has the invalid lines, the cost and the expected end of the batch.
        """
        return self._post(BATCHES, {**fields, "dry_run": True})

    def batch(self, batch_id: str) -> Json:
        return self._json(batches.batch(batch_id))

    def batches(self, limit: int) -> Json:
        """Returns a page of up to `limit` batches in `data`, the newest first."""
        return self._get(BATCHES, limit=limit)

    def change(self, batch_id: str, action: str) -> Json:
        """Sends an action to a batch: `pause`, `resume`, `cancel` or `retry`. Returns the changed batch."""
        return self._json(batches.change(batch_id, action))

    def rank(self, batch_id: str, fields: Json) -> Json:
        """Changes the priority or the desired end of a batch. Returns the changed batch.

        Both decide which of the caller's own batches goes first.
        """
        return self._send(service.raw("PATCH", batches.path(batch_id), fields, None, None))

    def delete_batch(self, batch_id: str) -> None:
        """Deletes a batch that has ended, with its jobs and pictures."""
        self._send(batches.delete(batch_id))

    def results(self, batch_id: str, after: str | None) -> Json:
        """Returns one page of a batch's results, in the order in which its lines ended.

        `after` is the `last_id` of the previous page, or None for the first page.
        """
        call = batches.results(batch_id)
        return self._get(call.path, **call.params, **({"after": after} if after else {}))

    def picture(self, link: str) -> bytes:
        """Downloads a picture from a link in an API response.

        Sends the request to this client's URL instead of the host in the link. The service may know itself under an
        address that is not reachable from here.
        """
        return self._send(Call("GET", link[link.index("/v1/") :], as_bytes))
