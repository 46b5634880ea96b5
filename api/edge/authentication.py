"""Authenticates every request and checks the scope of its API key, before its route runs.

The module `shared/store/access/key_ring.py` verifies the keys.
"""

import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from flask import Response, g, request
from werkzeug.routing import Rule

from api.connections.connection import mark_admitted
from api.edge import request_ids
from api.edge.open_requests import Kind, hold
from api.edge.proxies import base_url
from api.problems.errors import ForbiddenModel, ForbiddenNetwork, ForbiddenOrigin, MissingScope, Unauthorized
from api.rate_limit_fields import rate_limit_fields
from api.services import Services, services
from shared.access.keys import ApiKey, Scope
from shared.access.limits import LimitDecision, TenantLimits
from shared.access.sessions import parsed
from shared.addresses import Address, is_loopback_host
from shared.errors import TenantLimitReached
from shared.ids import DEFAULT_TENANT, TenantId
from shared.models.catalogue import Catalogue
from shared.settings.networks import address_of
from shared.store.access.key_ring import Holder

_PUBLIC = frozenset(
    {
        "/",
        "/docs",
        "/docs/<name>",
        "/healthz",
        "/openapi.json",
        "/readyz",
        # The names in these two contain a signature, which replaces the API key.
        "/v1/batches/<batch_id>/archives/<name>",
        "/v1/jobs/<job_id>/images/<int:index>/links/<name>",
        "/studio",
        "/studio/<path:name>",
        "/v1/webhooks/jwks.json",
        "/v1/webhooks/public_key",
    }
)
# A requeued dead letter may crash workers again, which harms every tenant. The webhook secret permits forged webhooks.
# API keys decide who may do what.
_ADMIN = ("/v1/audit", "/v1/dead_letters", "/v1/keys", "/v1/webhooks")
# Reading these routes needs the scope `operator` alone. Changing something there needs `admin` as well, so that a key
# of a dashboard or an autoscaler can change nothing.
_PLATFORM = ("/v1/model_rules", "/v1/pauses", "/v1/requeue", "/v1/workers/")
_ALL_TENANTS = "/v1/tenants"  # the list, and not the routes of one tenant below it
# A change of an endpoint decides where all events of the tenant are sent, and how they are signed. A change of a tenant
# decides when its data is deleted.
_ADMIN_TO_CHANGE = ("/v1/webhook_endpoints", "/v1/webhook_messages", "/v1/tenants")
# These routes describe the service as a whole, so a key of the scope `operator` may call them without `read`.
_OF_THE_SERVICE = frozenset({"/v1/audit", "/v1/stats", "/v1/workers"})
_SESSION = "/v1/session"  # reading and ending a session need no API key; beginning one does
SESSION_COOKIE = "gridpress_session"
PAGE_FIELD = "Gridpress-Studio"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a request: its tenant, the tenant's limits and the API key.

    `key` is None while the API has no keys. Every caller then belongs to the default tenant.
    """

    tenant: TenantId
    limits: TenantLimits
    key: ApiKey | None


_ANONYMOUS = Caller(DEFAULT_TENANT, TenantLimits(), None)


def caller() -> Caller:
    """Returns the caller of the current request. The hook `admit`, which authenticates the caller, must have run."""
    return cast("Caller", g.caller)


def is_open(deps: Services) -> bool:
    """Returns whether the API accepts requests without an API key. Raises `StoreUnavailable`.

    The API accepts these requests while it listens on loopback and no API key was ever created.
    """
    return is_loopback_host(deps.settings.host) and deps.keys.is_open()


def scope_of(rule: str, method: str) -> Scope | None:
    """Returns the scope that an API key needs for a route and a method. Returns None for a public route."""
    if rule in _PUBLIC or (rule == _SESSION and method != "POST"):
        return None
    if rule == _SESSION:
        return Scope.READ
    is_reading = method in _READING and not rule.endswith("/secret")
    if rule.startswith(_PLATFORM) or rule == _ALL_TENANTS:
        return Scope.OPERATOR if is_reading else Scope.ADMIN
    if rule.startswith(_ADMIN) or (rule.startswith(_ADMIN_TO_CHANGE) and not is_reading):
        return Scope.ADMIN
    return Scope.READ if is_reading else Scope.RENDER


def is_act(rule: str, method: str) -> bool:
    """Returns whether a request to this route is an act of an administrator, which the audit log records. It changes
    something with the scope `admin`, or it reads a secret.
    """
    is_reading = method in _READING and not rule.endswith("/secret")
    return not is_reading and scope_of(rule, method) is Scope.ADMIN


def admit() -> None:
    """Authenticates the caller of the current request, counts the request, and checks the API key's scope.

    Runs before every request. A request to an unknown path needs an API key as well; otherwise callers without one
    could find out which routes exist. Raises `Unauthorized`, `ForbiddenNetwork`, `MissingScope`, `TenantLimitReached`
    and `StoreUnavailable`.
    """
    scope = scope_of(request.url_rule.rule, request.method) if request.url_rule else None
    if request.url_rule and scope is None:
        return
    deps = services()
    g.caller = _ANONYMOUS if is_open(deps) else _caller(deps)
    _hold("connections")
    mark_admitted(request.environ)
    _count(deps.rate_limits.use_request(caller().tenant, caller().limits))
    key = caller().key
    if key:
        request_ids.note_key(key.key_id)
    if key and scope and not (key.allows(scope) or _operates(key, request.url_rule)):
        raise MissingScope(scope)
    if request.url_rule and request.url_rule.rule.startswith(_PLATFORM) and not is_operator():
        raise MissingScope(Scope.OPERATOR)


def is_operator() -> bool:
    """Returns whether the caller may read data of the platform: of all tenants together, and of its machines. This is
    so if its API key has the scope `operator`, or if no API key exists.
    """
    key = caller().key
    return key is None or key.allows(Scope.OPERATOR)


def check_admission(num_renders: int) -> None:
    """Raises an error when the service or the caller's tenant may not queue that many more renders now.

    Raises `StoreFull`, `QueueFull`, `TenantLimitReached` and `StoreUnavailable`.
    """
    services().admission.check(caller().tenant, caller().limits, num_renders)


def own_catalogue() -> Catalogue:
    """Returns the models that requests may name now, with those to which the caller's API key is restricted."""
    key = caller().key
    return services().catalogue.limited_to(key.rights.models if key else ())


def check_model(name: str | None, field: str = "model") -> None:
    """Raises `ForbiddenModel` if the caller's API key is for other models than `name`. None is the default model.

    `field` is the field of the request that names the model.
    """
    key = caller().key
    if key and key.rights.models and (why_not := own_catalogue().forbids(name)):
        raise ForbiddenModel(why_not, field)


def check_any_model() -> None:
    """Raises `ForbiddenModel` if the service serves no model that the caller's API key is for."""
    key = caller().key
    if key and key.rights.models and not (found := own_catalogue()).usable:
        allowed, served = ", ".join(key.rights.models), ", ".join((found.default, *found.further))
        raise ForbiddenModel(f"this API key is for {allowed} only, and this service serves {served}")


def use_pixels(num_pixels: int) -> None:
    """Counts a job's pixels against the daily pixel limit of the caller's tenant. Call it right before the job is
    created.

    Raises `TenantLimitReached` and `StoreUnavailable`.
    """
    _count(services().admission.use_pixels(caller().tenant, caller().limits, num_pixels))


def hold_stream() -> None:
    """Counts the current request among the open event streams of the caller's tenant, until the stream ends. Call it
    before anything is written for the request.

    Raises `TenantLimitReached`.
    """
    _hold("streams")


def add_limit_fields(response: Response) -> Response:
    """Adds the header fields that report the tenant's remaining rate limits to a response, and returns it."""
    response.headers.update(rate_limit_fields(g.get("limit_usages", ())))
    return response


def key_owner(deps: Services) -> Holder | None:
    """Returns the API key of the current request with its tenant's limits. Returns None without a valid key, or if the
    key may not be used from the caller's address.

    Raises `StoreUnavailable`.
    """
    found = _proved(deps)
    return found if found and found.key.rights.permits(caller_address()) else None


def caller_address() -> Address | None:
    """Returns the address of the client of the current request; None if it is unknown, as on a Unix socket."""
    return address_of(request.remote_addr or "")


def _proved(deps: Services) -> Holder | None:
    """Returns the API key that the current request proves to have, from whichever address it comes.

    A page that has signed in sends the token of its session in a cookie, in place of the key.

    Raises `StoreUnavailable`.
    """
    text = sent_key()
    if text is not None:
        return deps.keys.holder(text)
    token = parsed(request.cookies.get(SESSION_COOKIE, ""))
    found = deps.keys.named(token.key_id) if token else None
    secret = deps.signing_key.private.private_bytes_raw()
    return found if token and found and token.is_proved_by(found.key, secret, time.time()) else None


def check_own_page() -> None:
    """Refuses a request that another site's page could have made: one that changes something, has no proof that our own
    page sent it, and is authenticated by a cookie, which browsers also send for other pages.

    The proof is the header field `Gridpress-Studio`. A page of another origin can't send it without our consent (CORS).
    If the request has an `Origin`, it must be our own too. Raises `ForbiddenOrigin`.
    """
    if request.method in _READING:
        return
    origin = request.headers.get("Origin")
    own = {request.host, urlsplit(base_url()).netloc}
    if PAGE_FIELD not in request.headers or (origin is not None and urlsplit(origin).netloc not in own):
        raise ForbiddenOrigin(f"with a session, requests need the header field {PAGE_FIELD} and come from our own page")


def _caller(deps: Services) -> Caller:
    if sent_key() is None and SESSION_COOKIE not in request.cookies:
        raise Unauthorized("send an API key: Authorization: Bearer gp_...")
    found = _proved(deps)
    if found is None and sent_key() is None:
        raise Unauthorized("this session has ended: sign in again", "invalid_token")
    if found is None:
        raise Unauthorized("this API key is unknown, revoked or expired", "invalid_token")
    if not found.key.rights.permits(caller_address()):
        raise ForbiddenNetwork(f"this API key may not be used from {request.remote_addr or 'an unknown address'}")
    if sent_key() is None:
        check_own_page()
    return Caller(found.key.tenant, found.limits, found.key)


def sent_key() -> str | None:
    """Returns the API key in the header field `Authorization` of the current request, if any."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None


def _hold(kind: Kind) -> None:
    """Counts the current request for the caller's tenant. Without API keys there is one tenant, which may use all."""
    if caller().key:
        hold(kind, services().quotas, caller().tenant, caller().limits, request.environ)


def _operates(key: ApiKey, rule: Rule | None) -> bool:
    return rule is not None and rule.rule in _OF_THE_SERVICE and key.allows(Scope.OPERATOR)


def _count(verdict: LimitDecision | None) -> None:
    if verdict is None:
        return
    g.limit_usages = [*g.get("limit_usages", ()), verdict.usage]
    if verdict.refusal:
        raise TenantLimitReached(verdict.refusal)
