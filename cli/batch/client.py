"""The part of the HTTP API that is about batches and files."""

from typing import IO, Any
from urllib.parse import quote

from cli.client import Client, Json

_PAGE = 1000


class BatchClient(Client):
    """A `Client` for batches and files. A request with a `key` may be repeated; it takes effect once."""

    def upload(self, file: IO[bytes], filename: str, purpose: str = "batch", key: str | None = None) -> Json:
        """Streams the file to the service; returns the API's file object."""
        parts = {"file": (filename, file, "application/octet-stream")}
        return self._json("POST", "/v1/files", data={"purpose": purpose}, files=parts, headers=_once(key))

    def files(self, limit: int, purpose: str | None) -> list[Json]:
        """Returns files, the newest first."""
        params: dict[str, Any] = {"limit": limit} | ({"purpose": purpose} if purpose else {})
        return list(self._json("GET", "/v1/files", params=params)["data"])

    def delete_file(self, file_id: str) -> None:
        self._send("DELETE", f"/v1/files/{_quoted(file_id)}")

    def create(self, fields: Json, key: str | None = None) -> Json:
        return self._json("POST", "/v1/batches", json=fields, headers=_once(key))

    def validate(self, fields: Json) -> Json:
        """The report on all lines of a file, also of one that is no batch."""
        return self._json("POST", "/v1/batches/validate", json=fields)

    def dry_run(self, fields: Json) -> Json:
        """The report on all lines of a file, what they cost, and when the batch would end. None is made."""
        return self._json("POST", "/v1/batches", json={**fields, "dry_run": True})

    def batch(self, batch_id: str) -> Json:
        return self._json("GET", _path(batch_id))

    def batches(self, limit: int) -> list[Json]:
        """The newest first."""
        return list(self._json("GET", "/v1/batches", params={"limit": limit})["data"])

    def change(self, batch_id: str, action: str) -> Json:
        """`pause`, `resume`, `cancel` or `retry`; the batch."""
        return self._json("POST", f"{_path(batch_id)}/{action}")

    def rank(self, batch_id: str, fields: Json) -> Json:
        """Changes the place of the batch among the caller's own; the batch."""
        return self._json("PATCH", _path(batch_id), json=fields)

    def delete_batch(self, batch_id: str) -> None:
        """Its jobs and pictures go with it."""
        self._send("DELETE", _path(batch_id))

    def results(self, batch_id: str, after: str | None) -> Json:
        """A page of lines that have ended, in that order, beyond `after`: the `last_id` of the page before."""
        params: dict[str, Any] = {"limit": _PAGE} | ({"after": after} if after else {})
        return self._json("GET", f"{_path(batch_id)}/results", params=params)

    def picture(self, link: str) -> bytes:
        """What an API link of an answer leads to, at the address that answers here: the service may call itself so."""
        return self._send("GET", link[link.index("/v1/") :], follow_redirects=True).content


def _once(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": f'"{key}"'} if key else {}


def _path(batch_id: str) -> str:
    return f"/v1/batches/{_quoted(batch_id)}"


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")
