"""Protects an API that has no API keys yet: it accepts requests only from programs on the same machine."""

from urllib.parse import urlsplit

from flask import request

from api.edge.authentication import is_open
from api.edge.cors import is_listed
from api.problems.errors import ForbiddenHost, ForbiddenOrigin, ForbiddenProxy
from api.services import services
from shared.addresses import is_loopback_host
from shared.errors import GridpressError, StoreUnavailable
from shared.settings.settings import Settings

_WHAT_TO_DO = "this API has no key yet and serves this machine only: run `gridpress keys create`, and send the key"
# Header fields that proxies add: beginnings of names, then whole names.
_OF_PROXIES = ("x-forwarded", "x-original-", "x-envoy-")
_OF_ONE_PROXY = frozenset(
    (
        "cdn-loop",
        "cf-connecting-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-azure-clientip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-real-ip",
    )
)


def check_origin_of_request() -> None:
    """Refuses requests from web pages of other sites and from proxies while the API has no API keys.

    Runs before every request. There are three risks. A web page may let its own host name resolve to 127.0.0.1 (DNS
    rebinding). A browser sends simple requests from any page to any host. A proxy on this machine makes remote callers
    look local. Once an API key exists, all requests pass this check. Raises `ForbiddenHost`, `ForbiddenOrigin`,
    `ForbiddenProxy` and `StoreUnavailable`.
    """
    deps = services()
    refusal = _refusal(deps.settings)
    if refusal is None:
        return
    try:
        is_refused = is_open(deps)
    except StoreUnavailable:
        if request.path == "/healthz":  # must work without the store, and reveals nothing but that the process runs
            return
        raise
    if is_refused:
        raise refusal


def _refusal(settings: Settings) -> GridpressError | None:
    """Returns the error for a request that an API without keys must refuse. Returns None if the request is allowed."""
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if not _is_ours(f"//{host}", settings):
        return ForbiddenHost(f"the Host header names another machine; {_WHAT_TO_DO}")
    if origin is not None and not (_is_ours(origin, settings) or is_listed(origin)):
        return ForbiddenOrigin("pages of other sites may not use this API")
    for name in request.headers.keys():  # noqa: SIM118 - a request's headers iterate over pairs
        if name.lower() in _OF_ONE_PROXY or name.lower().startswith(_OF_PROXIES):
            return ForbiddenProxy(f"{name} shows that a proxy forwarded this request; {_WHAT_TO_DO}")
    return None


def _is_ours(url: str, settings: Settings) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return is_loopback_host(host) or host == urlsplit(settings.public_url).hostname
