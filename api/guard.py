"""Keeps other web sites away from an API that is open on loopback: no other Host, no foreign Origin unless allowed."""

from urllib.parse import urlsplit

from flask import request

from api.cors import is_named
from api.errors import ForbiddenHost, ForbiddenOrigin
from api.services import services
from shared.egress.addresses import is_loopback_host
from shared.settings import Settings


def check_host_and_origin() -> None:
    """Before every request. Raises `ForbiddenHost` and `ForbiddenOrigin` while the API is bound to loopback.

    A page may make its own name resolve to 127.0.0.1 (DNS rebinding), and a browser sends simple requests of any page
    anywhere; both give themselves away by these two headers.
    """
    settings = services().settings
    if not is_loopback_host(settings.host):
        return
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if not _is_ours(f"//{host}", settings):
        raise ForbiddenHost("the Host header must name this machine, or the host of GRIDPRESS_PUBLIC_URL")
    if origin is not None and not (_is_ours(origin, settings) or is_named(origin)):
        raise ForbiddenOrigin("pages of other sites may not use this API")


def _is_ours(url: str, settings: Settings) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return is_loopback_host(host) or host == urlsplit(settings.public_url).hostname
