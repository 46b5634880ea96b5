"""Stores the audit log, which has an entry for every act of an administrator or operator."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from shared.access.audit import Act, ActId, first_act_id, now
from shared.ids import TenantId
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import filled_page, readable
from shared.store.core.scripts import Scripts

_ALL = "gridpress:audit"
_ACTS = "gridpress:acts"


class AuditStore:
    """Writes and reads the audit log. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client, kept_s: int, most_of_tenant: int) -> None:
        """Creates a client of the store. Entries are kept for `kept_s` seconds, and at most `most_of_tenant` for the
        acts of each tenant.
        """
        self._client = client
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)
        self._kept = timedelta(seconds=kept_s)
        self._most = most_of_tenant

    def record(self, act: Act) -> None:
        """Writes the entry of an act. An earlier entry with the same id is replaced."""
        self._scripts.run("record_act", act.act_id, act.tenant or "", _encode(act), self._first_kept(), self._most)

    def acts(self, tenant: TenantId | None, *, limit: int, after: ActId | None = None) -> list[Act]:
        """Returns a page of the acts of a tenant's API keys, newest first. None stands for all tenants.

        `after` is the last act of the previous page.
        """
        key, first_kept = f"{_ALL}:{tenant}" if tenant else _ALL, self._first_kept()

        def ids_after(last: ActId | None, count: int) -> list[ActId]:
            highest = f"({last}" if last else "+"
            with translated():
                found = self._client.zrevrangebylex(key, highest, f"[{first_kept}", start=0, num=count)
            return cast("list[ActId]", found)

        return filled_page(limit, after, ids_after, self._read)

    def _first_kept(self) -> ActId:
        return first_act_id(now() - self._kept)

    def _read(self, act_ids: Iterable[ActId]) -> list[Act]:
        ids = list(act_ids)
        if not ids:
            return []
        with translated():
            texts = cast("list[str | None]", self._client.hmget(_ACTS, ids))
        return readable(
            self._faults, "act", ((each, text) for each, text in zip(ids, texts, strict=True) if text), _decode
        )


def _encode(act: Act) -> str:
    fields = {
        "at": act.at.isoformat(),
        "tenant": act.tenant,
        "act": act.act,
        "key_id": act.key_id,
        "path": act.path,
        "address": act.address,
        "request_id": act.request_id,
        "status": act.status,
        "code": act.code,
        "facts": dict(act.facts),
    }
    return json.dumps({name: value for name, value in fields.items() if value not in (None, {})})


def _decode(act_id: ActId, text: str) -> Act:
    fields: Mapping[str, Any] = json.loads(text)
    return Act(
        act_id=act_id,
        at=datetime.fromisoformat(fields["at"]),
        tenant=TenantId(fields["tenant"]) if "tenant" in fields else None,
        act=fields["act"],
        key_id=fields.get("key_id"),
        path=fields.get("path"),
        address=fields.get("address"),
        request_id=fields.get("request_id"),
        status=fields.get("status"),
        code=fields.get("code"),
        facts=fields.get("facts", {}),
    )
