"""Authenticates and authorises every request before its route runs. Keys come from `shared.store.access.key_ring`."""

from dataclasses import dataclass
from typing import cast

from flask import Response, g, request

from api.edge.limit_fields import standing_fields
from api.problems.errors import MissingScope, Unauthorized
from api.server.connection import tell_server_of_caller
from api.services import Services, services
from shared.access.keys import ApiKey, Scope
from shared.access.limits import TenantLimits, Verdict, refuse_more_queued
from shared.egress.addresses import is_loopback_host
from shared.errors import TenantLimitReached
from shared.ids import DEFAULT_TENANT, TenantId
from shared.store.access.key_ring import Holder

_PUBLIC = frozenset(
    {
        "/",
        "/docs",
        "/docs/<name>",
        "/healthz",
        "/openapi.json",
        "/readyz",
        "/v1/batches/<batch_id>/archives/<name>",  # its name is the key
        "/v1/webhooks/jwks.json",
        "/v1/webhooks/public_key",
    }
)
# Requeuing what killed a worker costs every tenant; whoever has the secret can forge webhooks.
_ADMIN = ("/v1/dead_letters", "/v1/webhooks")
# Whoever changes an endpoint decides where everything that the tenant does is told, and how it is signed.
_ADMIN_TO_CHANGE = ("/v1/webhook_endpoints", "/v1/webhook_messages")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request. `key` is None while the API has no keys: then every caller is the default tenant."""

    tenant: TenantId
    limits: TenantLimits
    key: ApiKey | None


_ANYBODY = Caller(DEFAULT_TENANT, TenantLimits(), None)


def caller() -> Caller:
    """Returns the caller of the current request, which `admit` has set."""
    return cast("Caller", g.caller)


def is_open(house: Services) -> bool:
    """Returns whether the API takes requests without a key: on loopback, before the first key. Raises
    `StoreUnavailable`.
    """
    return is_loopback_host(house.settings.host) and house.keys.is_open()


def scope_of(rule: str, method: str) -> Scope | None:
    """Returns the scope that a key needs for this route; None for a public route."""
    if rule in _PUBLIC:
        return None
    is_reading = method in _READING and not rule.endswith("/secret")
    if rule.startswith(_ADMIN) or (rule.startswith(_ADMIN_TO_CHANGE) and not is_reading):
        return Scope.ADMIN
    return Scope.READ if is_reading else Scope.RENDER


def admit() -> None:
    """Runs before every request. Raises `Unauthorized`, `MissingScope`, `TenantLimitReached` and `StoreUnavailable`.

    An unknown path needs a key, too, so that nobody without one learns which routes exist.
    """
    scope = scope_of(request.url_rule.rule, request.method) if request.url_rule else None
    if request.url_rule and scope is None:
        return
    house = services()
    g.caller = _ANYBODY if is_open(house) else _caller(house)
    tell_server_of_caller(request.environ)
    _count(house.rate_limits.use_request(caller().tenant, caller().limits))
    key = caller().key
    if key and scope and not key.allows(scope):
        raise MissingScope(scope)


def is_operator() -> bool:
    """Returns whether the caller may read data of all tenants. While the API has no keys, every caller may."""
    key = caller().key
    return key is None or key.allows(Scope.OPERATOR)


def refuse_full_queue(n: int) -> None:
    """Refuses a job of `n` renders early, when the tenant's queue is full. Raises `TenantLimitReached`.

    The store checks again when it creates the job.
    """
    tenant, limits = caller().tenant, caller().limits
    if limits.queued_renders is None:
        return
    refusal = refuse_more_queued(limits, services().store.load(tenant).queued, n)
    if refusal:
        raise TenantLimitReached(refusal)


def use_pixels(num_pixels: int) -> None:
    """Counts the pixels of a job right before it is made. Raises `TenantLimitReached` and `StoreUnavailable`."""
    _count(services().rate_limits.use_pixels(caller().tenant, caller().limits, num_pixels))


def tell_standings(response: Response) -> Response:
    """Adds header fields to each response that tell how much its tenant may still use."""
    response.headers.update(standing_fields(g.get("standings", ())))
    return response


def holder(house: Services) -> Holder | None:
    """Returns the holder of the current request's key; None without a valid key. Raises `StoreUnavailable`."""
    text = _sent_key()
    return None if text is None else house.keys.holder(text)


def _caller(house: Services) -> Caller:
    if _sent_key() is None:
        raise Unauthorized("send an API key: Authorization: Bearer gp_...")
    found = holder(house)
    if found is None:
        raise Unauthorized("this API key is unknown or was revoked", "invalid_token")
    return Caller(found.key.tenant, found.limits, found.key)


def _sent_key() -> str | None:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def _count(verdict: Verdict | None) -> None:
    if verdict is None:
        return
    g.standings = [*g.get("standings", ()), verdict.standing]
    if verdict.refusal:
        raise TenantLimitReached(verdict.refusal)
