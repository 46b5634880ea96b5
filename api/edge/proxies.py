"""Applies the header fields `X-Forwarded-*` of trusted proxies to requests, and ignores those of other senders.

The fields contain the client's address, the scheme, the host and the path prefix.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request

from api.services import services
from shared.addresses import Address, Network
from shared.settings.networks import address_of, read_networks
from shared.settings.settings import Settings

_BASE = "gridpress.base_url"  # WSGI key of the URL under which the client called the API, as a trusted proxy reports it
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]


def install(app: Flask, settings: Settings) -> None:
    """Wraps the app in `ProxyMiddleware`, so that all hooks and routes see the request as the client sent it."""
    routes = [rule.rule for rule in app.url_map.iter_rules()]
    app.wsgi_app = ProxyMiddleware(app.wsgi_app, settings, routes)  # type: ignore[method-assign]


def base_url() -> str:
    """Returns the base URL for links to this API in the current response, without a slash at the end.

    The base URL is the setting `public_url`. If that is not set, it is the URL that the client called, as a trusted
    proxy reports it.
    """
    settings = services().settings
    reported_url: str | None = request.environ.get(_BASE)
    return (reported_url or settings.public_url).rstrip("/")


class ProxyMiddleware:
    """WSGI middleware that applies the `X-Forwarded-*` header fields of trusted proxies to a request.

    If a field has several values, the last one counts, since the nearest proxy has written it. The header field
    `Forwarded` is ignored: proxies that write `X-Forwarded-*` pass it on unchanged, so the client may have invented it.
    """

    def __init__(self, app: Wsgi, settings: Settings, routes: Sequence[str] = ()) -> None:
        self._app = app
        self._trusted = read_networks(settings.trusted_proxies)
        self._has_public_url = "public_url" in settings.model_fields_set
        self._routes = tuple(routes)
        self._prefix = urlsplit(settings.public_url).path.rstrip("/")

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        # Flask redirects an empty path, to the host that the client names.
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"
        prefix = self._prefix
        peer = address_of(environ.get("REMOTE_ADDR", ""))
        if peer and _is_in(peer, self._trusted):
            _note_client(environ, peer, self._trusted)
            _note_host(environ)
            if not self._has_public_url:  # `public_url` has the prefix; a proxy may pass on a field of the client
                prefix = _last(environ, "PREFIX", _PREFIX) or prefix
                environ[_BASE] = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}{prefix}"
        if prefix:
            self._strip_prefix(environ, prefix)
        return self._app(environ, start_response)

    def _strip_prefix(self, environ: Environ, prefix: str) -> None:
        """Moves the path prefix that a proxy has added from the request's path to SCRIPT_NAME.

        The path stays unchanged if the proxy has already removed the prefix. It also stays unchanged if routes of this
        API begin with the same prefix, since the path may be the route itself.
        """
        environ["SCRIPT_NAME"] = prefix
        path = environ.get("PATH_INFO", "")
        is_ambiguous = any(f"{route}/".startswith(f"{prefix}/") for route in self._routes)
        if not is_ambiguous and f"{path}/".startswith(f"{prefix}/"):
            environ["PATH_INFO"] = path.removeprefix(prefix) or "/"


def client_of(peer: Address, hops: str, trusted: Sequence[Network]) -> Address:
    """Returns the client's address, the first one from the end of `X-Forwarded-For` that is not a trusted proxy's.

    The entries before that address are ignored, since the client may have invented them. The search stops at an entry
    that is not an address, and returns the entry after it. If there is none, it returns `peer`, the address of the
    connection.
    """
    client = peer
    for hop in reversed(hops.split(",")):
        address = address_of(hop)
        if address is None:
            break
        client = address
        if not _is_in(address, trusted):
            break
    return client


def _note_client(environ: Environ, peer: Address, trusted: Sequence[Network]) -> None:
    environ["REMOTE_ADDR"] = str(client_of(peer, environ.get("HTTP_X_FORWARDED_FOR", ""), trusted))


def _note_host(environ: Environ) -> None:
    environ["wsgi.url_scheme"] = _last(environ, "PROTO", re.compile("https?")) or environ["wsgi.url_scheme"]
    environ["HTTP_HOST"] = _last(environ, "HOST", _HOST) or environ.get("HTTP_HOST", "")


def _last(environ: Environ, name: str, form: re.Pattern[str]) -> str | None:
    """Returns the last value of the header field `X-Forwarded-<name>`, or None if it is missing or malformed."""
    value = environ.get(f"HTTP_X_FORWARDED_{name}", "").rpartition(",")[2].strip()
    return value if form.fullmatch(value) else None


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
