"""Routes that create, list, read, change, rotate and revoke API keys. An API key grants only what it has itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import structlog
from flask import Blueprint, request

from api.access.grants import check_grant, check_scopes, own_rights
from api.access.key_schemas import KeyPatch, KeyRequest, KeyRotationRequest, KeysQuery, tenant_of
from api.bodies.documents import body_document, read_optional
from api.edge import audit, idempotency
from api.edge.authentication import caller, is_operator
from api.problems.errors import MissingScope
from api.services import services
from shared.access.audit import Fact
from shared.access.keys import ApiKey, KeyId
from shared.access.rights import Rights, Scope
from shared.errors import InvalidRequest, KeyExists, KeyNotFound
from shared.ids import TenantId
from shared.intake.fields import validated
from shared.responses.keys import KeyPage, KeyResponse, KeyWithText
from shared.store.access.keys import Rotation

log = structlog.get_logger()

keys = Blueprint("keys", __name__, url_prefix="/v1/keys")

Json = dict[str, Any]


@keys.post("")
def create() -> tuple[Json, int]:
    """Creates an API key and returns it with status 201. Only this response contains its text, in `key`.

    The new key has at most the rights of the API key that asks. A retry with the same Idempotency-Key creates no second
    key, and does not show the text again.
    """
    asked, own = validated(KeyRequest, body_document().value), own_rights()
    tenant = _tenant(asked.tenant)
    rights = check_grant(_changed(Rights(frozenset(asked.scopes), own.networks, own.models, own.expires_at), asked))
    return _added(tenant, rights, name=asked.name), 201


@keys.get("")
def index() -> Json:
    """Returns a page of the tenant's API keys, newest first, also revoked and expired ones."""
    query = validated(KeysQuery, request.args.to_dict())
    if query.all_tenants and not is_operator():
        raise MissingScope(Scope.OPERATOR)
    tenant = None if query.all_tenants else _tenant(query.tenant)
    found = services().keys.store.keys(tenant, limit=query.limit + 1, after=query.after)
    page, has_more = found[: query.limit], len(found) > query.limit
    data = [KeyResponse.of(key) for key in page]
    return KeyPage(data=data, has_more=has_more, next=page[-1].key_id if has_more else None).model_dump(mode="json")


@keys.get("/<key_id>")
def read(key_id: str) -> Json:
    """Returns one API key, without its secret."""
    return _answer(_known(key_id))


@keys.patch("/<key_id>")
def update(key_id: str) -> Json:
    """Changes what an API key permits, when it expires, and its name. Returns the changed key.

    The changed key has at most the rights of the API key that asks. A change takes effect within 2 s.
    """
    asked, key = validated(KeyPatch, body_document().value), _known(key_id)
    check_scopes(key.scopes)
    rights = check_grant(_changed(key.rights, asked))
    changed = services().keys.store.change(
        key.key_id, replace(key, rights=rights, name=asked.name), asked.model_fields_set
    )
    _note("key.changed", key, fields=sorted(asked.model_fields_set))
    return _answer(changed)


@keys.post("/<key_id>/rotate")
def rotate(key_id: str) -> tuple[Json, int]:
    """Creates an API key with the same rights in place of another one, and returns it with status 201.

    Only this response contains its text, in `key`. The replaced key still works for `overlap_s` seconds, so that
    programs can change to the new key one after the other.
    """
    asked, old = read_optional(KeyRotationRequest), _known(key_id)
    check_scopes(old.scopes)
    rights = check_grant(_changed(old.rights, asked))
    ends_at = datetime.now(UTC) + timedelta(seconds=asked.overlap_s)
    return _added(old.tenant, rights, name=old.name, rotation=Rotation(old, ends_at)), 201


@keys.post("/<key_id>/revoke")
def revoke(key_id: str) -> Json:
    """Revokes an API key for good and returns it. Every API process refuses it within 2 s.

    Its waiting requests, streams and downloads end. A second request changes nothing.
    """
    key = _known(key_id)
    check_scopes(key.scopes)
    revoked = services().keys.store.revoke(key.key_id)
    _note("key.revoked", key)
    return _answer(revoked)


def _tenant(named: str | None) -> TenantId:
    """Returns the tenant that a request names, or that of the caller. Raises `MissingScope` for another tenant."""
    tenant = tenant_of(named) or caller().tenant
    if tenant != caller().tenant and not is_operator():
        raise MissingScope(Scope.OPERATOR)
    return tenant


def _known(key_id: str) -> ApiKey:
    """Returns an API key that the caller may see. Raises `KeyNotFound`."""
    found = services().keys.store.find(KeyId(key_id))
    if found is None or (found.tenant != caller().tenant and not is_operator()):
        raise KeyNotFound(f"no API key {key_id}")
    return found


def _changed(rights: Rights, asked: KeyRequest | KeyPatch | KeyRotationRequest) -> Rights:
    """Returns the rights with those fields that the request has."""
    given = asked.model_dump(include=asked.model_fields_set & Rights.__dataclass_fields__.keys())
    if "scopes" in given:
        given["scopes"] = frozenset(given["scopes"])
    if "networks" in given:
        given["networks"] = tuple(ip_network(text) for text in given["networks"] or ())
    if "models" in given:
        given["models"] = tuple(given["models"] or ())
    if given.get("expires_at") and given["expires_at"] <= datetime.now(UTC):
        raise InvalidRequest("must be in the future; to end an API key now, revoke it", "expires_at")
    return replace(rights, **given)


def _added(tenant: TenantId, rights: Rights, *, name: str, rotation: Rotation | None = None) -> Json:
    """Creates an API key and returns the response with its text."""
    deps, reserved_id = services(), idempotency.reserved_id()
    try:
        key, text = deps.keys.store.add(
            tenant,
            rights,
            name=name,
            most=deps.settings.max_api_keys,
            reserved_id=reserved_id,
            rotation=rotation,
        )
    except KeyExists:
        idempotency.job_recorded()  # the Idempotency-Key stays bound to the API key
        raise
    idempotency.mark_secret()
    idempotency.job_created()
    if rotation:
        _note("key.rotated", rotation.key, new_key_id=key.key_id)
    else:
        _note("key.created", key, scopes=[scope.value for scope in sorted(key.scopes)])
    return KeyWithText(**_answer(key), key=text).model_dump(mode="json")


def _note(event: str, key: ApiKey, **facts: Fact) -> None:
    """Logs a change of an API key, adds it to the audit log, and makes this process read the key anew."""
    audit.note(key_id=key.key_id, of_tenant=key.tenant, **facts)
    services().keys.forget(key.key_id)
    own = caller().key
    log.info(event, key_id=key.key_id, of_tenant=key.tenant, by_key_id=own.key_id if own else None, **facts)


def _answer(key: ApiKey) -> Json:
    return KeyResponse.of(key).model_dump(mode="json")
