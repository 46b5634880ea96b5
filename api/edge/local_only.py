"""Protects an API without keys: it then accepts requests of programs on this machine only."""

from urllib.parse import urlsplit

from flask import request

from api.edge.callers import is_open
from api.edge.cors import is_named
from api.problems.errors import ForbiddenHost, ForbiddenOrigin, ForbiddenProxy
from api.services import services
from shared.egress.addresses import is_loopback_host
from shared.errors import GridpressError, StoreUnavailable
from shared.settings.settings import Settings

_WHAT_TO_DO = "this API has no key yet and answers this machine only: run `gridpress keys create`, and send the key"
# What proxies add, by their kinds. Any name that begins with the first ones is meant.
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
    """Runs before every request. Raises `ForbiddenHost`, `ForbiddenOrigin` and `ForbiddenProxy` while the API has no
    keys.

    A page may let its own name resolve to 127.0.0.1 (DNS rebinding), and a browser sends simple requests of any page to
    any host. A proxy on this machine makes remote callers look local. Once there are keys, these fields are ignored.
    """
    house = services()
    refusal = _refusal(house.settings)
    if refusal is None:
        return
    try:
        is_refused = is_open(house)
    except StoreUnavailable:
        if request.path == "/healthz":  # whether the process lives is no secret
            return
        raise
    if is_refused:
        raise refusal


def _refusal(settings: Settings) -> GridpressError | None:
    """Returns the error for this request to an API without keys; None if it is allowed."""
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if not _is_ours(f"//{host}", settings):
        return ForbiddenHost(f"the Host header names another machine; {_WHAT_TO_DO}")
    if origin is not None and not (_is_ours(origin, settings) or is_named(origin)):
        return ForbiddenOrigin("pages of other sites may not use this API")
    for name in request.headers.keys():  # noqa: SIM118 - a request's headers iterate over pairs
        if name.lower() in _OF_ONE_PROXY or name.lower().startswith(_OF_PROXIES):
            return ForbiddenProxy(f"{name} says that this came through a proxy; {_WHAT_TO_DO}")
    return None


def _is_ours(url: str, settings: Settings) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return is_loopback_host(host) or host == urlsplit(settings.public_url).hostname
