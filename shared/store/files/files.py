"""Stores the records of tenants' files, from the start of an upload to the deletion of the file. The bytes of the files
are in `shared.objects.store`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, cast

from shared.access.limits import refuse_more_stored
from shared.errors import FileNotStored, TenantBeingErased, TenantLimitReached
from shared.files import FileId, Purpose, StoredFile
from shared.ids import TenantId
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import filled_page, readable
from shared.store.core.scripts import PRIMARY_ALONE, Replicas, Scripts

_PREFIX = "gridpress:"
_READ_AT_ONCE = 1000
_LONGEST_UPLOAD_S = 24 * 3600  # the parts of an interrupted upload are stored, and paid for, for so long


class FileStore:
    """Stores the records of tenants' files. Every method raises `StoreUnavailable` when the store does not answer.

    A file can be read once all its bytes are stored. A file that is being uploaded, has expired, was deleted or belongs
    to another tenant raises `FileNotStored`.
    """

    def __init__(self, client: Client, replicas: Replicas = PRIMARY_ALONE) -> None:
        self._client = client
        self._replicas = replicas
        self._scripts = Scripts(client)

    def open(self, file_id: FileId, tenant: TenantId) -> None:
        """Creates the record of a file before its upload begins. If `close` does not complete the file within a day,
        its bytes are deleted. Raises `TenantBeingErased`.
        """
        if not self._scripts.run("open_file", file_id, tenant, _LONGEST_UPLOAD_S * 1000):
            raise TenantBeingErased

    def close(
        self,
        file_id: FileId,
        tenant: TenantId,
        *,
        purpose: Purpose,
        filename: str,
        num_bytes: int,
        sha256: str,
        lifetime_s: int | None,
        is_limited: bool = False,
    ) -> StoredFile:
        """Marks a file as complete once all its bytes are stored. Returns the file once the required replicas have its
        record. The file then counts as stored by its tenant. A repeated call counts nothing.

        `lifetime_s` counts from the call of `open`; None means that the file never expires. With `is_limited`, raises
        `TenantLimitReached` for a file that would exceed the tenant's limit of stored bytes.
        """
        lifetime_ms = "" if lifetime_s is None else lifetime_s * 1000
        args = (file_id, purpose, filename, num_bytes, sha256, lifetime_ms, int(is_limited))
        match self._scripts.run_replicated(self._replicas, "close_file", *args):
            case ["full", num_stored, most]:
                raise TenantLimitReached(refuse_more_stored(num_stored, most, num_bytes))
        return self.file(file_id, tenant)

    def file(self, file_id: FileId, tenant: TenantId) -> StoredFile:
        """Returns the tenant's file with this id. Raises `FileNotStored`."""
        found = self._read([file_id], is_strict=True)
        if not found or found[0].tenant != tenant or found[0].is_over(datetime.now(UTC)):
            raise FileNotStored(f"no file {file_id}")
        return found[0]

    def missing(self, file_ids: Sequence[FileId], tenant: TenantId) -> list[FileId]:
        """Returns those of the given file ids for which `file` would raise `FileNotStored`: the tenant can't read these
        files.
        """
        now, found = datetime.now(UTC), set[FileId]()
        for start in range(0, len(file_ids), _READ_AT_ONCE):
            read = self._read(file_ids[start : start + _READ_AT_ONCE])
            found |= {file.file_id for file in read if file.tenant == tenant and not file.is_over(now)}
        return [file_id for file_id in file_ids if file_id not in found]

    def files(
        self,
        tenant: TenantId,
        *,
        limit: int,
        after: FileId | None = None,
        purpose: Purpose | None = None,
        order: Literal["asc", "desc"] = "desc",
    ) -> list[StoredFile]:
        """Returns a page of the tenant's files, sorted by creation time. `after` is the last id of the previous page.

        A file that has just expired may still be listed.
        """
        key = f"{_PREFIX}files:{tenant}" + (f":{purpose}" if purpose else "")

        def ids_after(last: FileId | None, count: int) -> list[FileId]:
            beyond = f"({last}" if last else None
            with translated():
                if order == "asc":
                    ids = self._client.zrangebylex(key, beyond or "-", "+", start=0, num=count)
                else:
                    ids = self._client.zrevrangebylex(key, beyond or "+", "-", start=0, num=count)
            return cast("list[FileId]", ids)

        return filled_page(limit, after, ids_after, self._read)

    def delete(self, file_id: FileId, tenant: TenantId) -> None:
        """Deletes a file for its owner, who can't read it any more. Upkeep deletes the bytes later. Raises
        `FileNotStored`.
        """
        if not self._scripts.run("delete_file", file_id, tenant):
            raise FileNotStored(f"no file {file_id}")

    def abandon(self, file_id: FileId) -> None:
        """Gives up a file whose upload was interrupted. Upkeep deletes the bytes that were stored so far."""
        with translated():
            self._client.zadd(f"{_PREFIX}file_ends", {file_id: 0}, xx=True)

    def take_ended(self, most: int) -> list[FileId]:
        """Deletes the records of up to `most` files that have expired, were deleted or were never completed. Returns
        their ids.

        The bytes of these files are to be deleted. Every call returns the same ids until `forget` is called for them.
        """
        return cast("list[FileId]", self._scripts.run("end_files", most))

    def put_off(self, file_id: FileId, delay_s: float) -> None:
        """Postpones the deletion of a file's bytes by `delay_s`. Call this after a failed deletion, so that other files
        get their turn.
        """
        self._scripts.run("put_off", "file_ends", file_id, int(delay_s * 1000))

    def forget(self, file_id: FileId) -> None:
        """Records that a file's bytes are deleted. From then on `take_ended` does not return the file."""
        with translated():
            self._client.zrem(f"{_PREFIX}file_ends", file_id)

    def _read(self, file_ids: Sequence[FileId], *, is_strict: bool = False) -> list[StoredFile]:
        """Returns the files with these ids. Incomplete and deleted files are left out."""
        pipeline = self._client.pipeline(transaction=False)
        for file_id in file_ids:
            pipeline.hgetall(f"{_PREFIX}file:{file_id}")
        with translated():
            found = list(zip(file_ids, pipeline.execute(), strict=True))
        whole = [row for row in found if "purpose" in row[1]]
        return readable(FaultCounts(self._client), "file", whole, _file, is_strict=is_strict)


def _file(file_id: FileId, fields: Mapping[str, str]) -> StoredFile:
    return StoredFile(
        file_id,
        TenantId(fields["tenant"]),
        Purpose(fields["purpose"]),
        fields["filename"],
        int(fields["bytes"]),
        fields["sha256"],
        _time(fields["created_ms"]),
        _time(fields["expires_ms"]) if "expires_ms" in fields else None,
    )


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
