"""Implements a client for the API's routes of batches and files."""

from typing import IO, Any
from urllib.parse import quote

from cli.client import Client, Json

BATCHES, FILES = "/v1/batches", "/v1/files"
_PAGE_OF_RESULTS = 1000


class BatchClient(Client):
    """A client for the API's routes of batches and files.

    A request that is repeated with the same idempotency `key` takes effect only once.
    """

    def upload(self, file: IO[bytes], filename: str, purpose: str = "batch", key: str | None = None) -> Json:
        """Uploads a file as a stream. Returns the file object of the API."""
        parts = {"file": (filename, file, "application/octet-stream")}
        return self._json("POST", FILES, data={"purpose": purpose}, files=parts, headers=_once(key))

    def files(self, limit: int, purpose: str | None) -> Json:
        """Returns a page of up to `limit` stored files in `data`, the newest first.

        If `purpose` is given, returns only files with this purpose.
        """
        params: dict[str, Any] = {"limit": limit} | ({"purpose": purpose} if purpose else {})
        return self._json("GET", FILES, params=params)

    def delete_file(self, file_id: str) -> Json:
        return self._json("DELETE", f"{FILES}/{_quoted(file_id)}")

    def create(self, fields: Json, key: str | None = None) -> Json:
        return self._json("POST", BATCHES, json=fields, headers=_once(key))

    def validate(self, fields: Json) -> Json:
        """Has the service check every line of an uploaded file. Returns the service's report.

        This also works for a file that the service would not accept as a batch.
        """
        return self._json("POST", f"{BATCHES}/validate", json=fields)

    def dry_run(self, fields: Json) -> Json:
        """Has the service check a request for a new batch, but creates no batch. Returns the service's report.

        The report has the invalid lines, the cost and the expected end of the batch.
        """
        return self._json("POST", BATCHES, json={**fields, "dry_run": True})

    def batch(self, batch_id: str) -> Json:
        return self._json("GET", _path(batch_id))

    def batches(self, limit: int) -> Json:
        """Returns a page of up to `limit` batches in `data`, the newest first."""
        return self._json("GET", BATCHES, params={"limit": limit})

    def change(self, batch_id: str, action: str) -> Json:
        """Sends an action to a batch: `pause`, `resume`, `cancel` or `retry`. Returns the changed batch."""
        return self._json("POST", f"{_path(batch_id)}/{action}")

    def rank(self, batch_id: str, fields: Json) -> Json:
        """Changes the priority or the desired end of a batch. Returns the changed batch.

        Both decide which of the caller's own batches goes first.
        """
        return self._json("PATCH", _path(batch_id), json=fields)

    def delete_batch(self, batch_id: str) -> None:
        """Deletes a batch that has ended, with its jobs and pictures."""
        self._send("DELETE", _path(batch_id))

    def results(self, batch_id: str, after: str | None) -> Json:
        """Returns one page of a batch's results, in the order in which its lines ended.

        `after` is the `last_id` of the previous page, or None for the first page.
        """
        params: dict[str, Any] = {"limit": _PAGE_OF_RESULTS} | ({"after": after} if after else {})
        return self._json("GET", f"{_path(batch_id)}/results", params=params)

    def picture(self, link: str) -> bytes:
        """Downloads a picture from a link in an API response.

        Sends the request to this client's URL instead of the host in the link. The service may know itself under an
        address that is not reachable from here.
        """
        return self._send("GET", link[link.index("/v1/") :], follow_redirects=True).content


def _once(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": f'"{key}"'} if key else {}


def _path(batch_id: str) -> str:
    return f"{BATCHES}/{_quoted(batch_id)}"


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")
