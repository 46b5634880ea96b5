"""Believes what trusted proxies say of a request: client address, scheme, host and prefix. Believes nobody else."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request

from api.services import services
from shared.egress.addresses import Address, Network
from shared.settings.networks import address_of, read_networks
from shared.settings.settings import Settings

_BASE = "gridpress.base_url"  # in the environment of a request: where its client found us, by a trusted proxy's word
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]


def install(app: Flask, settings: Settings) -> None:
    """Wraps the app, so that all its hooks and routes see the client's request."""
    routes = [rule.rule for rule in app.url_map.iter_rules()]
    app.wsgi_app = Proxied(app.wsgi_app, settings, routes)  # type: ignore[method-assign]


def base_url() -> str:
    """Returns the address under which links of the current response lead here, without a slash at the end.

    It is the setting `public_url`. Without one, it is what a trusted proxy says that the client called.
    """
    settings = services().settings
    told: str | None = request.environ.get(_BASE)
    return (told or settings.public_url).rstrip("/")


class Proxied:
    """WSGI middleware. Fields that may have several values count by the last, which the nearest proxy has written.

    `Forwarded` is not read: a proxy that writes the other fields passes on the `Forwarded` of a client.
    """

    def __init__(self, app: Wsgi, settings: Settings, routes: Sequence[str] = ()) -> None:
        self._app = app
        self._trusted = read_networks(settings.trusted_proxies)
        self._has_public_url = "public_url" in settings.model_fields_set
        self._routes = tuple(routes)
        self._prefix = urlsplit(settings.public_url).path.rstrip("/")

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        environ["PATH_INFO"] = (
            environ.get("PATH_INFO") or "/"
        )  # else it is redirected to whatever host the client names
        prefix = self._prefix
        peer = address_of(environ.get("REMOTE_ADDR", ""))
        if peer and _is_in(peer, self._trusted):
            _note_client(environ, peer, self._trusted)
            _note_host(environ)
            if not self._has_public_url:  # else the prefix is known, and a proxy may pass a client's own field on
                prefix = _last(environ, "PREFIX", _PREFIX) or prefix
                environ[_BASE] = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}{prefix}"
        if prefix:
            self._take_off(environ, prefix)
        return self._app(environ, start_response)

    def _take_off(self, environ: Environ, prefix: str) -> None:
        """Moves the prefix from the path to SCRIPT_NAME, where the proxy has not taken it off the path already.

        A prefix with which routes of ours begin stays: whether it is the prefix or the route can't be told.
        """
        environ["SCRIPT_NAME"] = prefix
        path = environ.get("PATH_INFO", "")
        is_ambiguous = any(f"{route}/".startswith(f"{prefix}/") for route in self._routes)
        if not is_ambiguous and f"{path}/".startswith(f"{prefix}/"):
            environ["PATH_INFO"] = path.removeprefix(prefix) or "/"


def client_of(peer: Address, hops: str, trusted: Sequence[Network]) -> Address:
    """Returns the client's address: of the hops in `X-Forwarded-For`, the last that is no trusted proxy.

    What stands before it may be the client's invention. A hop that is no address ends the search: the one behind it is
    the last that is known.
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
    """Returns the last value of `X-Forwarded-<name>`; None without one, and for one of another form."""
    value = environ.get(f"HTTP_X_FORWARDED_{name}", "").rpartition(",")[2].strip()
    return value if form.fullmatch(value) else None


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
