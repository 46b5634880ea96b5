"""Rebuilds a job store that was lost, as far as the object store tells."""

from collections.abc import Iterator

from cli.backup.manifests import Found, restore_jobs, unknown_records
from cli.stack.servers.reach import reached_servers
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.opening import open_store
from shared.store.inputs.sweep import InputSweepStore

_UNKNOWN = (
    "not known from the object store: jobs that were waiting or running, API keys, tenants' limits and defaults, "
    "webhook endpoints, webhooks that were not delivered, Idempotency-Keys, batches, names of files, dead letters, "
    "usage, the audit log, pauses"
)


def rebuild_store(settings: Settings) -> Iterator[str]:
    """Restores all ended jobs from their manifests, in the empty or partly filled store of the settings.

    Yields sentences: what was found, and what could not be known. Condition images that are there now are no longer
    deleted because no job names them: a later restore may need them. Raises `StoreUnavailable`,
    `ObjectStoreUnavailable` and `Misconfigured`.
    """
    with reached_servers(settings) as found, open_store(found) as client:
        objects = ObjectStore(found)
        objects.check()
        InputSweepStore(client).spare()
        yield from _sentences(restore_jobs(client, objects, found.retention_s))
        for num, kind in unknown_records(client, objects):
            if num:
                yield f"{num} {kind} have objects, and no record: their objects stay"
        yield _UNKNOWN


def _sentences(found: Found) -> Iterator[str]:
    yield f"{found.num_restored} jobs that had ended are restored from their manifests"
    if found.num_known:
        yield f"{found.num_known} jobs were in the job store already, and stay as they are"
    if found.unfinished:
        yield (
            f"{len(found.unfinished)} jobs have objects and no manifest: they had not ended, or only moments before; "
            f"submit them again: {found.unfinished[0]}, ..."
        )
    if found.unreadable:
        yield (
            f"{len(found.unreadable)} jobs have a manifest of an earlier version, which tells too little; "
            f"their pictures stay: {found.unreadable[0]}, ..."
        )
