"""Parses the URL of the store, which names one Redis server, or the Redis sentinels that know the primary. Opens no
connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from shared.settings.store_options import InvalidStoreUrl, connection_options, read_query, tls_options

_TLS_SCHEMES = ("rediss", "sentinels")
_SERVER_SCHEMES = ("redis", "rediss", "unix")
_SENTINEL_SCHEMES = ("sentinel", "sentinels")
_PORT = 6379
_SENTINEL_PORT = 26379
_CERTIFICATES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_FORMS: Mapping[str, str] = {
    "redis": "redis://USER:PASSWORD@HOST:PORT/DB",
    "rediss": "rediss://USER:PASSWORD@HOST:PORT/DB",
    "unix": "unix://USER:PASSWORD@/PATH?db=DB",
    "sentinel": "sentinel://HOST:PORT,HOST:PORT/NAME",
    "sentinels": "sentinels://HOST:PORT,HOST:PORT/NAME",
}
# Schemes of other clients, with the scheme that Gridpress uses for the same kind of connection.
_OTHER_SCHEMES: Mapping[str, str] = {
    "valkey": "redis",
    "valkeys": "rediss",
    "redis+tls": "rediss",
    "redis+ssl": "rediss",
    "redis+socket": "unix",
    "redis+unix": "unix",
    "redis-socket": "unix",
    "socket": "unix",
    "redis+sentinel": "sentinel",
    "redis-sentinel": "sentinel",
    "rediss+sentinel": "sentinels",
    "rediss-sentinel": "sentinels",
}


@dataclass(frozen=True, slots=True)
class Server:
    """The parts of a store URL that names one server: `redis://`, `rediss://` (TLS), or `unix://` (a Unix socket).

    `socket_path` is set for a Unix socket only; host and port then mean nothing.
    """

    host: str
    port: int
    socket_path: str | None
    db: int
    user: str | None
    password: str | None = field(repr=False)
    tls: Mapping[str, Any] | None
    options: Mapping[str, Any]

    @property
    def store_options(self) -> dict[str, Any]:
        """Returns the options with which redis-py connects to the server, without the TLS options."""
        address = {"path": self.socket_path} if self.socket_path else {"host": self.host, "port": self.port}
        return {**address, "db": self.db, "username": self.user, "password": self.password}


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
    password: str | None = field(repr=False)
    tls: Mapping[str, Any] | None
    options: Mapping[str, Any]
    sentinel_user: str | None
    sentinel_password: str | None = field(repr=False)

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """Returns the options with which redis-py connects to a Redis sentinel."""
        login = {"username": self.sentinel_user, "password": self.sentinel_password}
        return {**login, **({"ssl": True, **self.tls} if self.tls is not None else {})}

    @property
    def store_options(self) -> dict[str, Any]:
        """Returns the options with which redis-py connects to the Redis primary, without the TLS options."""
        return {"db": self.db, "username": self.user, "password": self.password}


def read_store_url(url: str) -> Server | Sentinels:
    """Parses a store URL. Raises `InvalidStoreUrl`, with a message that contains no part of the URL."""
    parts = _split(url)
    try:
        return _sentinels(parts) if parts.scheme in _SENTINEL_SCHEMES else _server(parts)
    except InvalidStoreUrl as error:
        raise InvalidStoreUrl(f"is not of the form {_FORMS[parts.scheme]}: {error}") from None


def _split(url: str) -> SplitResult:
    scheme, found, _ = url.partition("://")
    scheme = scheme.lower()
    if found and "cluster" in scheme:
        raise InvalidStoreUrl("names a Redis Cluster; Gridpress needs one primary")
    if found and scheme in _OTHER_SCHEMES:
        raise InvalidStoreUrl(f"has an unknown scheme: write {_FORMS[_OTHER_SCHEMES[scheme]]}")
    if not found or scheme not in _FORMS:
        raise InvalidStoreUrl(f"is not of the form {_FORMS['redis']}; other schemes: rediss, unix, sentinel, sentinels")
    try:
        parts = _parts_of(url)
    except ValueError:  # its message contains a part of the URL
        raise InvalidStoreUrl(f"is not of the form {_FORMS[scheme]}: its host is not valid") from None
    if "#" in url:
        raise InvalidStoreUrl(f"is not of the form {_FORMS[scheme]}: write %23 for # in a user, password or path")
    return parts


def _parts_of(url: str) -> SplitResult:
    """Splits a URL whose authority may list several hosts. Raises `ValueError`.

    Newer versions of `urlsplit` refuse an IPv6 address in such a list, so each host is parsed alone, without a login.
    """
    scheme, mark, rest = url.partition("://")
    end = next((index for index, char in enumerate(rest) if char in "/?#"), len(rest))
    for host in rest[:end].rpartition("@")[2].split(","):
        urlsplit(f"{scheme}{mark}{host}")
    return urlsplit(scheme + mark + rest[end:])._replace(netloc=rest[:end])


def _server(parts: SplitResult) -> Server:
    tls = parts.scheme in _TLS_SCHEMES
    login, _, address = parts.netloc.rpartition("@")
    socket_path = _socket_path(parts, address) if parts.scheme == "unix" else None
    host, port = ("localhost", _PORT) if socket_path else _host(address, _PORT, "localhost")
    query = read_query(parts.query, tls=tls, sentinels=False)
    user, password = _login(login, query)
    return Server(
        host=host,
        port=port,
        socket_path=socket_path,
        db=query["db"] if "db" in query else 0 if socket_path else _database(parts.path),
        user=user,
        password=password,
        tls=tls_options(query) if tls else None,
        options=connection_options(query),
    )


def _sentinels(parts: SplitResult) -> Sentinels:
    tls = parts.scheme in _TLS_SCHEMES
    login, _, hosts = parts.netloc.rpartition("@")
    name = unquote(parts.path.strip("/"))
    if not name:
        raise InvalidStoreUrl("the name of the primary is missing")
    found = tuple(_host(host, _SENTINEL_PORT) for host in hosts.split(","))
    query = read_query(parts.query, tls=tls, sentinels=True)
    user, password = _login(login, query)
    return Sentinels(
        hosts=found,
        name=name,
        db=query.get("db", 0),
        user=user,
        password=password,
        tls=tls_options(query) if tls else None,
        options=connection_options(query),
        sentinel_user=query.get("sentinel_username"),
        sentinel_password=query.get("sentinel_password"),
    )


def with_certificates(url: str, authority: Path | None, certificate: Path | None, key: Path | None) -> str:
    """Returns the store URL with the certificate files in its query string, where redis-py reads them. A URL that
    already has them stays unchanged.

    Raises `ValueError` for a URL without TLS, and for a file that can't be read.
    """
    given = {name: str(path) for name, path in zip(_CERTIFICATES, (authority, certificate, key), strict=True) if path}
    if not given:
        return url
    parts = _parts_of(url)
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


def _socket_path(parts: SplitResult, host: str) -> str:
    if host:
        raise InvalidStoreUrl("a Unix socket has no host; an absolute path needs three slashes, as in unix:///PATH")
    if not parts.path.strip("/"):
        raise InvalidStoreUrl("the path of the socket is missing")
    return unquote(parts.path)


def _login(text: str, query: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Returns user and password: those before the host, or else those in the query, as in redis-py."""
    user, _, password = text.partition(":")
    return unquote(user) or query.get("username"), unquote(password) or query.get("password")


def _database(path: str) -> int:
    text = unquote(path).strip("/")
    if text and not (text.isascii() and text.isdigit()):
        raise InvalidStoreUrl("the database is not a number")
    return int(text or "0")


def _host(text: str, default_port: int, default_host: str | None = None) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:  # its message contains a part of the URL
        raise InvalidStoreUrl("a host has an invalid port; percent-encode / ? # and @ in a password") from None
    if not (host := host or default_host):
        raise InvalidStoreUrl("a host is missing")
    return unquote(host), default_port if port is None else port
