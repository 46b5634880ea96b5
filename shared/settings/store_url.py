"""Parses the URL of the store, which names one Redis server, or the Redis sentinels that know the primary. Opens no
connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

_TLS_SCHEMES = ("rediss", "sentinels")
_SENTINEL_SCHEMES = ("sentinel", "sentinels")
_SENTINEL_PORT = 26379
_CERTIFICATES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_FALSE = frozenset({"false", "0", "no", "n", "f", ""})


@dataclass(frozen=True, slots=True)
class Sentinels:
    """The parts of a store URL that names Redis sentinels:
    `sentinel://USER:PASSWORD@HOST:26379,HOST2:26379/NAME?db=0&sentinel_password=...`.

    User and password are the login at the primary, which the sentinels know as `name`. `sentinels://` means TLS.
    """

    hosts: tuple[tuple[str, int], ...]
    name: str
    db: int
    user: str | None
    password: str | None
    tls: Mapping[str, Any] | None
    sentinel_user: str | None
    sentinel_password: str | None

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """Returns the options with which redis-py connects to a Redis sentinel."""
        login = {"username": self.sentinel_user, "password": self.sentinel_password}
        return {**login, **({"ssl": True, **self.tls} if self.tls is not None else {})}

    @property
    def store_options(self) -> dict[str, Any]:
        """Returns the options with which redis-py connects to the Redis primary, without the TLS options."""
        return {"db": self.db, "username": self.user, "password": self.password}


def is_sentinel(url: str) -> bool:
    """Returns whether a store URL names Redis sentinels instead of the store itself."""
    return urlsplit(url).scheme in _SENTINEL_SCHEMES


def read_sentinels(url: str) -> Sentinels:
    """Parses a URL that names sentinels. Raises `ValueError` with a message that contains no part of the URL."""
    parts, query = urlsplit(url), dict(parse_qsl(urlsplit(url).query))
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    name = unquote(parts.path.strip("/"))
    if not name:
        raise ValueError("the name of the primary is missing")
    return Sentinels(
        tuple(_host(host) for host in hosts.split(",")),
        name,
        int(query.get("db", "0")),
        unquote(user) or None,
        unquote(password) or None,
        tls_of(url),
        query.get("sentinel_username"),
        query.get("sentinel_password"),
    )


def tls_of(url: str) -> dict[str, Any] | None:
    """Returns redis-py's TLS options for a store URL. Returns None for a URL without TLS.

    The server's certificate is verified unless `ssl_cert_reqs` in the URL's query says otherwise.
    """
    parts = urlsplit(url)
    if parts.scheme not in _TLS_SCHEMES:
        return None
    given: dict[str, Any] = {name: text for name, text in parse_qsl(parts.query) if name.startswith("ssl_")}
    if "ssl_check_hostname" in given:
        given["ssl_check_hostname"] = given["ssl_check_hostname"].lower() not in _FALSE
    return {"ssl_cert_reqs": "required", **given}


def with_certificates(url: str, authority: Path | None, certificate: Path | None, key: Path | None) -> str:
    """Returns the store URL with the certificate files in its query string, where redis-py reads them. A URL that
    already has them stays unchanged.

    Raises `ValueError` for a URL without TLS, and for a file that can't be read.
    """
    given = {name: str(path) for name, path in zip(_CERTIFICATES, (authority, certificate, key), strict=True) if path}
    if not given:
        return url
    parts = urlsplit(url)
    if parts.scheme not in _TLS_SCHEMES:
        raise ValueError(
            "a certificate is set (GRIDPRESS_REDIS_CA_FILE, _CERT_FILE or _KEY_FILE), but the URL is not rediss:// or "
            "sentinels://, so the certificate would not be used"
        )
    for path in given.values():
        _check_readable(path)
    query = {**dict(parse_qsl(parts.query)), **given}
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote, safe="/")))


def _check_readable(path: str) -> None:
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error


def _host(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or _SENTINEL_PORT
    except ValueError as error:
        raise ValueError("a host has an invalid port") from error
    if not host:
        raise ValueError("a host is missing")
    return host, port
