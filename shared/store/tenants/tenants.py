"""Lists the tenants of the service, with facts that the store has at hand. The list itself is in tenant_index.lua."""

from collections.abc import Sequence
from typing import Any

from shared.access.limits import Load
from shared.access.tenants import TenantFacts
from shared.ids import DEFAULT_TENANT, TenantId
from shared.jobs.states import JobStatus
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

_P = "gridpress:"
_OPEN = tuple(status for status in JobStatus if not status.is_final)


class TenantList:
    """Lists tenants. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def page(self, *, limit: int, after: TenantId | None = None) -> list[TenantFacts]:
        """Returns a page of all tenants in alphabetical order: those that have or had API keys or limits, and the
        default tenant.

        `after` is the last tenant of the previous page. Limits that a release before this list has set count once they
        are changed.
        """
        found = self._scripts.run("list_tenants", DEFAULT_TENANT, after or "", limit)
        return self._facts([TenantId(each) for each in found])

    def _facts(self, tenants: Sequence[TenantId]) -> list[TenantFacts]:
        with translated(), self._client.pipeline(transaction=False) as pipeline:
            for tenant in tenants:
                _ask(pipeline, tenant)
            answers = pipeline.execute()
        num = len(answers) // len(tenants) if tenants else 0
        rows = (answers[start : start + num] for start in range(0, len(answers), num or 1))
        return [_read(tenant, row) for tenant, row in zip(tenants, rows, strict=True)]


def _ask(pipeline: Any, tenant: TenantId) -> None:
    """Queues the commands whose answers `_read` reads."""
    pipeline.zcard(f"{_P}keys_of:{tenant}")
    pipeline.hmget(f"{_P}load:{tenant}", ["queued", "running"])
    pipeline.get(f"{_P}stored:{tenant}")
    pipeline.exists(f"{_P}limits:{tenant}")
    pipeline.hexists(f"{_P}buckets", tenant)
    pipeline.hexists(f"{_P}paused", f"tenant:{tenant}")
    pipeline.sismember(f"{_P}erasing", tenant)
    for status in _OPEN:
        pipeline.zcard(f"{_P}jobs:{tenant}:{status}")


def _read(tenant: TenantId, answers: Sequence[Any]) -> TenantFacts:
    num_keys, (queued, running), stored, has_limits, has_bucket, is_paused, is_erasing, *num_open = answers
    return TenantFacts(
        tenant,
        num_keys,
        sum(num_open),
        Load(int(queued or 0), int(running or 0)),
        int(stored or 0),
        has_limits=bool(has_limits),
        has_bucket=bool(has_bucket),
        is_paused=bool(is_paused),
        is_erasing=bool(is_erasing),
    )
