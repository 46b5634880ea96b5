"""Provides the stores and settings that every step of work on a batch uses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.batches.batch import Cursor, LineState
from shared.egress.rules import EgressRules
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.backups.holds import BackupHolds
from shared.store.batch_work.work import Advance, BatchWork, EndedLine, Leased
from shared.store.batches.batches import BatchStore
from shared.store.models.models import ModelStore
from workers.batches.results import Results
from workers.batches.segments import is_small, replace_segment, store_segment


@dataclass(frozen=True, slots=True)
class Tools:
    """The stores, settings and egress rules that every step of work on a batch uses."""

    work: BatchWork
    batches: BatchStore
    objects: ObjectStore
    holds: BackupHolds
    settings: Settings
    rules: EgressRules
    models: ModelStore

    @property
    def catalogue(self) -> Catalogue:
        """Returns the models that lines may name now."""
        return self.models.catalogue(ModelNames.of(self.settings))

    def results(self, found: Leased) -> Results:
        """Returns the formatter for the results of this batch."""
        return Results(found.batch, self.settings, self.objects.get)

    def advance(
        self,
        found: Leased,
        cursor: Cursor,
        results: Sequence[bytes] = (),
        *,
        ended: Mapping[int, LineState] | None = None,
        stored: Sequence[EndedLine] = (),
        copied_bytes: int = 0,
    ) -> bool:
        """Stores `results` as a segment (an object with result lines), then commits one step of work on the batch with
        all its changes.

        `copied_bytes` are the bytes of the copies of their pictures. A segment that is stored but not committed is
        ignored. If one of the jobs in `stored` was retried meanwhile,
        this method commits nothing and returns False. While a backup is under way, a replaced segment stays until its
        batch is purged, because the copied store may name it.
        """
        if not results:
            return self.work.advance(found.lease, Advance(cursor, ended=ended, stored=stored))
        before = self.batches.segments(found.batch.batch_id)
        last = before[-1] if before and is_small(before[-1]) else None
        if last:
            segment = replace_segment(self.objects, found.lease, len(before) - 1, last, results)
        else:
            segment = store_segment(self.objects, found.lease, len(before), results)
        step = Advance(cursor, [segment], last is not None, ended, stored, copied_bytes)
        is_done = self.work.advance(found.lease, step)
        if last and is_done and not self.holds.are_there():
            self.objects.delete(last.key)
        return is_done
