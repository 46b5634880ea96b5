"""Erases the data of tenants: cancels what runs, deletes all records, and searches the object store for what no record
names.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog

from shared.batches.outputs import folder_of_outputs
from shared.errors import ObjectNotFound, ObjectStoreUnavailable, StoreUnavailable
from shared.ids import JobId, ObjectKey, TenantId
from shared.objects.bucket_clients import BucketClients
from shared.objects.bucket_errors import BucketRefused
from shared.objects.inputs import folder_of_inputs
from shared.objects.store import ObjectStore
from shared.process.background import note_fault
from shared.store.backups.holds import BackupHolds
from shared.store.copies.buckets import BucketStore
from shared.store.core.connect import Client
from shared.store.tenants.erasure import Erasure, ErasureStore, Phase, TenantRecords
from workers.upkeep.copies import CopyErasure

log = structlog.get_logger()

_FOLDERS = 50  # folders of jobs in one step
_OBJECTS = 1000
_JOBS = "jobs/"
_FAULT_PAUSE_S = 60.0  # of an erasure after an unexpected error, which may come again at once

Step = Callable[[], int]


@dataclass(slots=True)
class _Search:
    """One search of the store for data of a tenant: the number of the next step, and how much was found. `copies` is
    the place in the search of the tenant's own bucket. All searches of an erasure share it.
    """

    copies: CopyErasure = field(default_factory=CopyErasure)
    step: int = 0
    num_found: int = 0
    resumes_at_s: float = 0.0

    def next(self) -> "_Search":
        """Returns the search that follows this one."""
        return _Search(self.copies)


@dataclass(slots=True)
class Eraser:
    """Erases the data of tenants, in small steps. Any number of upkeep processes may do the same at the same time.

    A process that ends in between loses nothing: the next one searches again from the first step. Only the place in the
    search of the object store is stored, since this search may take hours. An erasure waits while a backup is under
    way.
    `buckets` are the clients of tenants' own buckets. Without them, copies in these buckets stay.
    """

    client: Client
    objects: ObjectStore
    buckets: BucketClients | None = None
    now_s: Callable[[], float] = time.monotonic
    _store: ErasureStore = field(init=False)
    _holds: BackupHolds = field(init=False)
    _buckets: BucketStore = field(init=False)
    _searches: dict[TenantId, _Search] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._store = ErasureStore(self.client)
        self._holds = BackupHolds(self.client)
        self._buckets = BucketStore(self.client)

    def step(self) -> int:
        """Does the next step of each erasure. Returns how much was done; 0 when there is nothing to do now.

        An erasure whose step fails does not hold up the others. Raises `StoreUnavailable`.
        """
        erasures = self._store.all()
        under_way = {each.tenant for each in erasures}  # another process may have ended some
        self._searches = {tenant: search for tenant, search in self._searches.items() if tenant in under_way}
        return 0 if not erasures or self._holds.are_there() else sum(map(self._step_apart, erasures))

    def _step_apart(self, erasure: Erasure) -> int:
        """Does the next step of an erasure and returns how much was done. Logs an error and returns 0."""
        try:
            return self._step(erasure)
        except StoreUnavailable:
            raise
        except ObjectStoreUnavailable as error:
            log.warning("upkeep.not_deleted", tenant=erasure.tenant, error=str(error))
        except Exception:  # noqa: BLE001
            note_fault("eraser")
            self._searches.setdefault(erasure.tenant, _Search()).resumes_at_s = self.now_s() + _FAULT_PAUSE_S
        return 0

    def _step(self, erasure: Erasure) -> int:
        if erasure.phase is Phase.SETTLING:
            self._store.turn(erasure.tenant)
            return 0
        search = self._searches.setdefault(erasure.tenant, _Search())
        if self.now_s() < search.resumes_at_s or (search.copies.is_under_way and search.copies.pauses):
            return 0
        steps = self._steps(erasure)
        num = steps[search.step]()
        search.num_found += num
        if num == 0 and not search.copies.is_under_way:
            search.step += 1
        if search.step < len(steps):
            return 1
        self._searches[erasure.tenant] = search.next()
        if search.num_found == 0 and self._store.turn(erasure.tenant):
            del self._searches[erasure.tenant]
            log.info("upkeep.tenant_erased", tenant=erasure.tenant)
        return search.num_found

    def _steps(self, erasure: Erasure) -> Sequence[Step]:
        """Returns the steps of a search, in order. Each deletes some data of the tenant and returns how much."""
        records = TenantRecords(self.client, erasure.tenant)
        return (
            records.cancel_jobs,
            records.delete_batches,
            records.cancel_jobs,  # a batch worker may have made jobs in between
            records.delete_jobs,
            records.delete_files,
            records.delete_uploads,
            records.delete_endpoints,
            records.delete_messages,
            records.delete_destinations,
            records.delete_requests,
            records.delete_inputs,
            records.delete_usage,
            records.delete_rest,
            lambda: self.objects.delete_some(folder_of_inputs(erasure.tenant), _OBJECTS),
            lambda: self.objects.delete_some(folder_of_outputs(erasure.tenant), _OBJECTS),
            lambda: self._search_folders(erasure.tenant, records),
            lambda: self._erase_copies(erasure.tenant, self._searches[erasure.tenant].copies),
            # The caller's own API key is of use until the end.
            *((records.delete_settings,) if erasure.with_settings and erasure.phase is Phase.FINISHING else ()),
        )

    def _search_folders(self, tenant: TenantId, records: TenantRecords) -> int:
        """Deletes objects of jobs whose records were purged, by their manifests.

        Returns the number of folders that it looked at; 0 after all of them.
        """
        after = self._store.scanned(tenant)
        if after is None:
            return 0
        folders = list(islice(self.objects.folders(_JOBS, after=after), _FOLDERS))
        unknown = records.unknown([_job_of(folder) for folder in folders])
        for folder in (f"{_JOBS}{job_id}/" for job_id in unknown):
            if self._owner(folder) == tenant:
                self.objects.delete_prefix(folder)
        self._store.note_scanned(tenant, folders[-1] if folders else None)
        return len(folders)

    def _erase_copies(self, tenant: TenantId, copies: CopyErasure) -> int:
        """Deletes some copies in the tenant's own bucket and returns how many.

        If the bucket refuses, the copies stay, and the erasure goes on: the bucket belongs to the tenant, who may have
        locked the service out. The next search of this erasure tries again.
        """
        place = self._buckets.find(tenant)
        if place is None or self.buckets is None:
            copies.restart()
            return 0
        try:
            return copies.step(self.buckets.client_of(place))
        except BucketRefused as error:
            copies.restart()
            log.warning("upkeep.copies_not_erased", tenant=tenant, error=str(error))
            return 0

    def _owner(self, folder: str) -> object:
        """Returns the tenant of a job by its manifest, or by that of a picture; None if no manifest names it."""
        found = self._manifest(ObjectKey(f"{folder}manifest.json"))
        if found:
            return found.get("spec", {}).get("tenant")
        keys = (key for page in self.objects.pages(folder) for key, _ in page)
        of_picture = next((key for key in keys if key.endswith("/manifest.json")), None)
        return self._manifest(of_picture).get("tenant") if of_picture else None

    def _manifest(self, key: ObjectKey) -> dict[str, Any]:
        """Returns the content of a manifest; nothing if it is missing or can't be read."""
        with suppress(ObjectNotFound, ValueError):
            found = json.loads(self.objects.get(key))
            return found if isinstance(found, dict) else {}
        return {}


def _job_of(folder: str) -> JobId:
    return JobId(folder.removeprefix(_JOBS).removesuffix("/"))
