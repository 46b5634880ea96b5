"""Stores tenants' webhook endpoints, each as one Redis hash (see endpoint.lua). It sends no messages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from shared.errors import EndpointNotFound, TenantBeingErased, TooManyEndpoints
from shared.ids import TenantId
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import filled_page, readable
from shared.store.core.scripts import Scripts
from shared.webhooks.endpoints import (
    MOST_OLD_SECRETS,
    ROTATION,
    DisabledReason,
    Endpoint,
    EndpointId,
    OldSecret,
    new_endpoint_id,
)
from shared.webhooks.events import DEFAULT_EVENTS, PayloadStyle

_ERASING = -2  # what save_endpoint.lua returns while the tenant's data is being erased
_DEFAULT_EVENTS = json.dumps(DEFAULT_EVENTS)


@dataclass(frozen=True, slots=True)
class EndpointChanges:
    """The fields of a webhook endpoint that its owner may set. A field that is None stays unchanged."""

    url: str | None = None
    events: Sequence[str] | None = None
    payload: PayloadStyle | None = None
    description: str | None = None
    headers: Mapping[str, str] | None = None


class EndpointStore:
    """Stores the tenants' webhook endpoints.

    Methods raise `StoreUnavailable`, and `EndpointNotFound` for an endpoint that is unknown or of another tenant.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def create(
        self,
        tenant: TenantId,
        url: str,
        secret: str,
        rest: EndpointChanges,
        *,
        most: int,
        endpoint_id: EndpointId | None = None,
    ) -> Endpoint:
        """Creates an enabled webhook endpoint and returns it. A repeated call with the same `endpoint_id` changes
        nothing.

        `rest` has the optional fields. Raises `TooManyEndpoints` when the tenant already has `most` endpoints, and
        `TenantBeingErased`.
        """
        endpoint_id = endpoint_id or new_endpoint_id()
        empty = {"events": "[]", "payload": PayloadStyle.FULL, "description": "", "headers": "{}", "old_secrets": "[]"}
        fields = {"url": url, "secret": secret, "status": "enabled", **empty, **_fields(rest)}
        saved = self._save(endpoint_id, tenant, fields, most)
        if saved == _ERASING:
            raise TenantBeingErased
        if saved < 0:
            raise TooManyEndpoints(f"a tenant may have {most} webhook endpoints")
        return self.endpoint(endpoint_id, tenant)

    def endpoint(self, endpoint_id: EndpointId, tenant: TenantId) -> Endpoint:
        """Returns the tenant's endpoint with this id. Raises `EndpointNotFound`."""
        found = self.endpoint_of_any_tenant(endpoint_id)
        if found is None or found.tenant != tenant:
            raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")
        return found

    def endpoint_of_any_tenant(self, endpoint_id: EndpointId) -> Endpoint | None:
        """Returns the endpoint without checking its tenant, or None if the endpoint was deleted. It is meant for
        delivery workers.
        """
        found = self._read([endpoint_id], is_strict=True)
        return found[0] if found else None

    def endpoints(self, tenant: TenantId, *, limit: int, after: EndpointId | None = None) -> list[Endpoint]:
        """Returns a page of the tenant's endpoints, newest first. `after` is the last id of the previous page."""

        def ids_after(last: EndpointId | None, count: int) -> list[EndpointId]:
            newest = f"({last}" if last else "+"
            with translated():
                ids = self._client.zrevrangebylex(f"gridpress:endpoints:{tenant}", newest, "-", start=0, num=count)
            return cast("list[EndpointId]", ids)

        return filled_page(limit, after, ids_after, self._read)

    def update(self, endpoint_id: EndpointId, tenant: TenantId, changes: EndpointChanges) -> Endpoint:
        """Changes the webhook endpoint and returns it. After a change of the URL, pending deliveries go
        to the new URL.
        """
        return self._change(endpoint_id, tenant, _fields(changes))

    def enable(self, endpoint_id: EndpointId, tenant: TenantId) -> Endpoint:
        """Enables the webhook endpoint and returns it. Its pending deliveries are sent, and its failures are counted
        from 0 again.
        """
        self._scripts.run("enable_endpoint", endpoint_id, tenant, _DEFAULT_EVENTS)
        return self.endpoint(endpoint_id, tenant)

    def disable(self, endpoint_id: EndpointId, tenant: TenantId) -> Endpoint:
        """Disables the webhook endpoint and returns it. It gets no new messages, and pending deliveries wait until it
        is enabled.
        """
        self._scripts.run("disable_endpoint", endpoint_id, tenant)
        return self.endpoint(endpoint_id, tenant)

    def rotate(
        self, endpoint_id: EndpointId, tenant: TenantId, secret: str, *, rotation_id: str | None = None
    ) -> Endpoint:
        """Replaces the secret that signs an endpoint's messages, and returns the endpoint. For 24 hours the old secret
        signs them as well.

        A repeated call with the same `rotation_id` changes nothing.
        """
        ttl_ms = int(ROTATION.total_seconds() * 1000)
        args = (endpoint_id, tenant, secret, ttl_ms, MOST_OLD_SECRETS, rotation_id or "")
        self._scripts.run("rotate_endpoint", *args)
        return self.endpoint(endpoint_id, tenant)

    def delete(self, endpoint_id: EndpointId, tenant: TenantId) -> None:
        """Deletes the endpoint with its pending deliveries and its log. Raises `EndpointNotFound`."""
        if not self._scripts.run("delete_endpoint", endpoint_id, tenant):
            raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")

    def _change(self, endpoint_id: EndpointId, tenant: TenantId, fields: Mapping[str, str]) -> Endpoint:
        if fields and not self._save(endpoint_id, tenant, fields, ""):
            raise EndpointNotFound(f"no webhook endpoint {endpoint_id}")
        return self.endpoint(endpoint_id, tenant)

    def _save(self, endpoint_id: EndpointId, tenant: TenantId, fields: Mapping[str, str], most: int | str) -> int:
        pairs = [text for pair in fields.items() for text in pair]
        return int(self._scripts.run("save_endpoint", endpoint_id, tenant, most, _DEFAULT_EVENTS, *pairs))

    def _read(self, endpoint_ids: Sequence[EndpointId], *, is_strict: bool = False) -> list[Endpoint]:
        """Returns the endpoints with these ids. Endpoints that were deleted are left out."""
        pipeline = self._client.pipeline(transaction=False)
        for endpoint_id in endpoint_ids:
            pipeline.hgetall(f"gridpress:endpoint:{endpoint_id}")
        with translated():
            found = list(zip(endpoint_ids, pipeline.execute(), strict=True))
        existing = [row for row in found if row[1]]
        return readable(FaultCounts(self._client), "endpoint", existing, _endpoint, is_strict=is_strict)


def _fields(changes: EndpointChanges) -> dict[str, str]:
    texts = {
        "url": changes.url,
        "events": None if changes.events is None else json.dumps(list(changes.events)),
        "payload": changes.payload,
        "description": changes.description,
        "headers": None if changes.headers is None else json.dumps(dict(changes.headers)),
    }
    return {name: text for name, text in texts.items() if text is not None}


def _endpoint(endpoint_id: EndpointId, fields: Mapping[str, str]) -> Endpoint:
    old: list[Any] = json.loads(fields["old_secrets"])
    reason = fields.get("disabled_reason")
    return Endpoint(
        endpoint_id,
        TenantId(fields["tenant"]),
        fields["url"],
        tuple(json.loads(fields["events"])),
        PayloadStyle(fields["payload"]),
        fields["description"],
        json.loads(fields["headers"]),
        fields["secret"],
        tuple(OldSecret(secret, _time(ends_ms)) for secret, ends_ms in old),
        DisabledReason(reason) if reason else None,
        _time(fields["disabled_ms"]) if "disabled_ms" in fields else None,
        _time(fields["failing_since_ms"]) if "failing_since_ms" in fields else None,
        _time(fields["created_ms"]),
        _time(fields["updated_ms"]),
    )


def _time(milliseconds: str | int) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
