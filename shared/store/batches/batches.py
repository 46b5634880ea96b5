"""Creates, reads, lists, changes and deletes batches for their owners. The client for batch workers is in
`batch_work`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from pydantic import TypeAdapter

from shared.batches.batch import (
    Batch,
    BatchId,
    BatchPriority,
    BatchSpec,
    BatchStatus,
    BatchTimes,
    Counts,
    Cursor,
    Fault,
    LineState,
    Precedence,
    Segment,
    line_job_prefix,
)
from shared.batches.estimate import Outlook
from shared.batches.outputs import output_folder
from shared.errors import BatchEnded, BatchNotFinal, BatchNotFound, BatchNotRetryable, TenantBeingErased
from shared.files import FileId
from shared.ids import ObjectKey, TenantId
from shared.jobs.bucket_copy import BucketCopy
from shared.jobs.spec import Priority
from shared.store.batches.estimate import read_outlook
from shared.store.batches.order import precedence_args, precedence_of
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import filled_page, readable
from shared.store.core.scripts import PRIMARY_ALONE, Replicas, Scripts
from shared.tracing.origin import Origin

_PREFIX = "gridpress:"
_MOST_ROUNDS = 200  # the number of a retry has one byte in the ids of the jobs
_FAULTS = TypeAdapter(list[Fault])

Action = Literal["pause", "resume", "cancel", "retry"]


@dataclass(frozen=True, slots=True)
class DeletedBatch:
    """A deleted batch that may still have jobs or objects.

    `entry` is the batch's member in the store's set of deleted batches. It contains the ids of the batch and the
    tenant, and the batch's `output_prefix` if it has one.
    """

    entry: str

    @property
    def batch_id(self) -> BatchId:
        return BatchId(self.entry.split("|")[0])

    @property
    def tenant(self) -> TenantId:
        return TenantId(self.entry.split("|")[1])

    @property
    def output_folder(self) -> str | None:
        """Returns the folder with copies of the batch's pictures; None if the batch has none."""
        _, _, _, prefix = (*self.entry.split("|"), "", "")[:4]
        return output_folder(self.tenant, prefix, self.batch_id) if prefix else None


class BatchStore:
    """Stores the batches of tenants. Every method raises `StoreUnavailable` when the store does not answer.

    A batch of another tenant raises `BatchNotFound`, as an unknown batch does.
    """

    def __init__(self, client: Client, replicas: Replicas = PRIMARY_ALONE) -> None:
        self._client = client
        self._replicas = replicas
        self._scripts = Scripts(client)

    def create(
        self, batch_id: BatchId, spec: BatchSpec, origin: Origin | None = None, precedence: Precedence | None = None
    ) -> Batch:
        """Creates a batch and returns it once the required replicas have it. A repeated call with the same id changes
        nothing.

        `precedence` is the batch's place among the tenant's batches. Its class must be that of the spec. Raises
        `BatchNotRetryable` when the batch in `spec.retry_of` has no failed lines or has not ended, and
        `TenantBeingErased`.
        """
        asked = (spec.model_dump_json(), spec.window_s * 1000, spec.retry_of or "")
        webhook = (spec.webhook_url or "", json.dumps(spec.webhook_events))
        delete_after_ms = "" if spec.delete_after_s is None else spec.delete_after_s * 1000
        place = precedence_args(precedence or Precedence(BatchPriority.of(spec.priority, 0)))
        args = (batch_id, spec.tenant, *asked, *webhook, delete_after_ms, _text(origin), *place)
        answer = self._scripts.run_replicated(self._replicas, "create_batch", *args)
        _check(answer, spec.retry_of or batch_id, "retry")
        return self.batch(batch_id, spec.tenant)

    def batch(self, batch_id: BatchId, tenant: TenantId) -> Batch:
        """Returns the tenant's batch with this id. Raises `BatchNotFound`."""
        found = self.batch_of_any_tenant(batch_id)
        if found.spec.tenant != tenant:
            raise BatchNotFound(f"no batch {batch_id}")
        return found

    def batch_of_any_tenant(self, batch_id: BatchId) -> Batch:
        """Returns the batch without checking its tenant, for the service's own processes. Raises `BatchNotFound`."""
        for found in self._read([batch_id], is_strict=True):
            return found
        raise BatchNotFound(f"no batch {batch_id}")

    def batches(self, tenant: TenantId, *, limit: int, after: BatchId | None = None) -> list[Batch]:
        """Returns a page of the tenant's batches, newest first. `after` is the last id of the previous page."""

        def ids_after(last: BatchId | None, count: int) -> list[BatchId]:
            beyond = f"({last}" if last else "+"
            with translated():
                ids = self._client.zrevrangebylex(f"{_PREFIX}batches:{tenant}", beyond, "-", start=0, num=count)
            return cast("list[BatchId]", ids)

        return filled_page(limit, after, ids_after, self._read)

    def change(self, batch: Batch, action: Action, origin: Origin | None = None) -> Batch:
        """Pauses, resumes, cancels or retries the batch, as `action` says, and returns the changed batch.

        A retry stores `origin`, the HTTP request that asked for it, as the batch's origin. Raises `BatchEnded`, or
        `BatchNotRetryable` for a retry.
        """
        args = (batch.batch_id, batch.spec.tenant, action, batch.spec.window_s * 1000, _MOST_ROUNDS, _text(origin))
        _check(self._scripts.run("change_batch", *args), batch.batch_id, action)
        return self.batch(batch.batch_id, batch.spec.tenant)

    def rank(self, batch: Batch, precedence: Precedence) -> Batch:
        """Moves the batch to another place in the order of its tenant's batches, and returns the changed batch. Raises
        `BatchEnded`.
        """
        spec = batch.spec.model_copy(update={"priority": precedence.priority.scheduling_class})
        args = (batch.batch_id, spec.tenant, spec.model_dump_json(), *precedence_args(precedence))
        _check(self._scripts.run("rank_batch", *args), batch.batch_id, "rank")
        return self.batch(batch.batch_id, spec.tenant)

    def outlook(self, tenant: TenantId, scheduling_class: Priority) -> Outlook:
        """Returns the work that comes before the end of a tenant's batches of one class. The expected ends are computed
        from it.
        """
        return read_outlook(self._scripts, tenant, scheduling_class)

    def states(self, batch_id: BatchId, first: int, count: int) -> list[LineState]:
        """Returns the states of up to `count` lines of the batch, beginning with line `first`."""
        with translated():
            found = cast("str", self._client.getrange(f"{_PREFIX}batch_lines:{batch_id}", first, first + count - 1))
        return [LineState(state) for state in found]

    def segments(self, batch_id: BatchId) -> list[Segment]:
        """Returns a batch's segments in order: the objects that hold its results. Only the last segment may still be
        replaced.
        """
        with translated():
            found = cast("list[str]", self._client.lrange(f"{_PREFIX}batch_segments:{batch_id}", 0, -1))
        return [segment_of(text) for text in found]

    def delete(self, batch_id: BatchId, tenant: TenantId) -> None:
        """Deletes a batch that has ended. From then on clients can't read the batch and its files. Upkeep deletes its
        jobs and pictures later.

        Raises `BatchNotFound` and `BatchNotFinal`.
        """
        answer = self._scripts.run("delete_batch", batch_id, tenant)
        if answer == 0:
            raise BatchNotFound(f"no batch {batch_id}")
        if answer == 2:
            raise BatchNotFinal(batch_id)

    def deleted(self, most: int) -> list[DeletedBatch]:
        """Returns up to `most` deleted batches that may still have jobs or objects.

        Every call returns the same batches until `forget_deleted` is called for them.
        """
        return [DeletedBatch(entry) for entry in self._scripts.run("deleted_batches", most)]

    def forget_lines(self, deleted: DeletedBatch, most: int) -> int:
        """Deletes the records of up to `most` jobs that were made from lines of the deleted batch. Returns the number
        of deleted jobs.
        """
        return int(self._scripts.run("forget_lines", deleted.tenant, line_job_prefix(deleted.batch_id), most))

    def put_off_deleted(self, deleted: DeletedBatch, delay_s: float) -> None:
        """Postpones the deletion of a batch's jobs and objects by `delay_s`. Call this after a failed deletion, so that
        other batches get their turn.
        """
        self._scripts.run("put_off", "batch_deleted", deleted.entry, int(delay_s * 1000))

    def forget_deleted(self, deleted: DeletedBatch) -> None:
        """Removes the batch from the list of deleted batches. Call this once all its jobs and objects are deleted."""
        with translated():
            self._client.zrem(f"{_PREFIX}batch_deleted", deleted.entry)

    def purge(self, retention_s: int, most: int) -> list[BatchId]:
        """Deletes batches whose `delete_after_s` is over, and purges other batches that ended more than `retention_s`
        ago.

        Returns up to `most` purged batches whose objects are still to be deleted. A batch may be returned by every call
        until `forget` is called for it.
        """
        return cast("list[BatchId]", self._scripts.run("purge_batches", retention_s * 1000, most))

    def forget(self, batch_id: BatchId) -> None:
        """Records that all objects of a purged batch are deleted. From then on `purge` does not return the batch."""
        with translated():
            self._client.srem(f"{_PREFIX}batch_doomed", batch_id)

    def _read(self, batch_ids: Sequence[BatchId], *, is_strict: bool = False) -> list[Batch]:
        pipeline = self._client.pipeline(transaction=False)
        for batch_id in batch_ids:
            pipeline.hgetall(f"{_PREFIX}batch:{batch_id}")
        with translated():
            found = list(zip(batch_ids, pipeline.execute(), strict=True))
        existing = [row for row in found if row[1]]
        return readable(FaultCounts(self._client), "batch", existing, batch_of, is_strict=is_strict)


def batch_of(batch_id: BatchId, fields: Mapping[str, str]) -> Batch:
    """Returns a batch, made from its hash in the store."""
    spec = BatchSpec.model_validate_json(fields["spec"])
    if "delete_after_ms" in fields:  # of the request, or the tenant's default
        spec = spec.model_copy(update={"delete_after_s": int(fields["delete_after_ms"]) // 1000})
    return Batch(
        batch_id=batch_id,
        spec=spec,
        status=BatchStatus(fields["status"]),
        end=BatchStatus(fields["end"]),
        round=int(fields["round"]),
        num_lines=int(fields["num_lines"]),
        counts=Counts(*(int(fields[name]) for name in ("total", "open", "completed", "failed"))),
        cursor=Cursor(int(fields["line"]), int(fields["offset"])),
        is_paused="paused" in fields,
        waiting_for=fields.get("waiting_for"),
        errors=_FAULTS.validate_json(fields["errors"]) if "errors" in fields else (),
        output_file_id=FileId(fields["output_file"]) if fields.get("output_file") else None,
        error_file_id=FileId(fields["error_file"]) if fields.get("error_file") else None,
        times=_times(fields),
        origin=Origin.parse(fields.get("origin")),
        precedence=precedence_of(spec, fields),
        bucket_copy=BucketCopy.of(fields),
    )


def _times(fields: Mapping[str, str]) -> BatchTimes:
    names = BatchTimes.__slots__
    known = {name: fields.get(f"{name.removesuffix('_at')}_ms") for name in names}
    return BatchTimes(**{name: _time(text) for name, text in known.items() if text})


def segment_of(text: str) -> Segment:
    """Parses one string that `segments_text` wrote. Returns the segment (an object with results of batch lines)."""
    key, num_lines, num_bytes = json.loads(text)
    return Segment(ObjectKey(key), num_lines, num_bytes)


def segments_text(segments: Iterable[Segment]) -> str:
    """Returns segments (objects with results of batch lines) as a JSON list with one string for each segment. The Lua
    scripts store these strings unchanged.
    """
    return json.dumps([json.dumps([segment.key, segment.num_lines, segment.num_bytes]) for segment in segments])


def _text(origin: Origin | None) -> str:
    return origin.as_text() if origin else ""


def _check(answer: int, batch_id: str, action: Action | Literal["rank"]) -> None:
    if answer == 0:
        raise BatchNotFound(f"no batch {batch_id}")
    if answer == 3:
        raise TenantBeingErased
    if answer == 2:
        raise BatchNotRetryable(batch_id) if action == "retry" else BatchEnded(batch_id)


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
