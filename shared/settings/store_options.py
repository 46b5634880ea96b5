"""Parses the options in the query of a store URL. Refuses an option that would change how the service reads replies."""

import math
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl


class InvalidStoreUrl(ValueError):
    """Raised for a store URL that can't be used. The message gives the reason and contains no part of the URL, which
    may hold a password.
    """


def _whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if (number := int(text)) < least:
            raise ValueError(text)
        return number

    return parse


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def _flag(text: str) -> bool:
    return text.lower() not in {"false", "0", "no", "n", "f"}


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(text)
        return text

    return parse


def _tls_version(text: str) -> int:
    return ssl.TLSVersion(int(text)).value


# Names of redis-py, for connections with and without TLS.
_CONNECTION: Mapping[str, Callable[[str], Any]] = {
    "client_name": str,
    "health_check_interval": _whole(0),
    "max_connections": _whole(1),
    "protocol": lambda text: int(_one_of("2", "3")(text)),
    "retry_on_timeout": _flag,
    "socket_connect_timeout": _seconds,
    "socket_keepalive": _flag,
    "socket_read_size": _whole(1),
    "socket_timeout": _seconds,
    "timeout": _seconds,
}
_TLS: Mapping[str, Callable[[str], Any]] = {
    "ssl_ca_certs": str,
    "ssl_ca_data": str,
    "ssl_ca_path": str,
    "ssl_cert_reqs": _one_of("none", "optional", "required"),
    "ssl_certfile": str,
    "ssl_check_hostname": _flag,
    "ssl_ciphers": str,
    "ssl_keyfile": str,
    "ssl_min_version": _tls_version,
    "ssl_password": str,
}
_LOGIN: Mapping[str, Callable[[str], Any]] = {"db": _whole(0), "password": str, "username": str}
_SENTINEL: Mapping[str, Callable[[str], Any]] = {"sentinel_password": str, "sentinel_username": str}
# A refusal shows only these names: a wrongly quoted password may look like another option.
_REFUSED = frozenset(
    {
        "credential_provider",
        "decode_responses",
        "encoding",
        "encoding_errors",
        "legacy_responses",
        "lib_name",
        "lib_version",
        "retry_on_error",
        "ssl_exclude_verify_flags",
        "ssl_include_verify_flags",
        "ssl_validate_ocsp",
        "ssl_validate_ocsp_stapled",
        "virtual_host",
    }
)


def read_query(query: str, *, tls: bool, sentinels: bool) -> dict[str, Any]:
    """Returns the options in the query of a store URL, by their names in redis-py. An option without a value is left
    out. Raises `InvalidStoreUrl`.
    """
    parsers = {**_LOGIN, **_CONNECTION, **(_TLS if tls else {}), **(_SENTINEL if sentinels else {})}
    return {name: _read(parsers, name, text) for name, text in parse_qsl(query)}


def connection_options(query: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those options of a parsed query that apply to each connection and to the pool of connections."""
    return {name: value for name, value in query.items() if name in _CONNECTION}


def tls_options(query: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the TLS options of a parsed query. The server's certificate is verified unless the query says otherwise.

    Without a certificate there is no host name to check, and Python's `ssl` would refuse the combination.
    """
    given = {name: value for name, value in query.items() if name in _TLS}
    unchecked = {"ssl_check_hostname": False} if given.get("ssl_cert_reqs") == "none" else {}
    return {"ssl_cert_reqs": "required", **unchecked, **given}


def _read(parsers: Mapping[str, Callable[[str], Any]], name: str, text: str) -> Any:
    if name in _TLS and name not in parsers:
        raise InvalidStoreUrl(f"the option {name} needs TLS (rediss:// or sentinels://)")
    if name not in parsers:
        what = f"the option {name}" if name in _REFUSED | _SENTINEL.keys() else "an option in the query"
        raise InvalidStoreUrl(f"{what} is not supported; supported are {', '.join(sorted(parsers))}")
    try:
        return parsers[name](text)
    except ValueError:
        raise InvalidStoreUrl(f"the value of the option {name} is not valid") from None
