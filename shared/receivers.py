"""Which receivers a webhook may go to. A name is resolved only by who connects to it next."""

import re
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from shared.errors import InvalidRequest

Address = IPv4Address | IPv6Address

_FIELD = "webhook_url"
_MAX_URL_CHARS = 2_048
_URL = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash: parsers disagree about the rest
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_.])?|[0-9a-f:.]+", re.IGNORECASE)

# IANA special-purpose registries (RFC 6890 and later), and what clouds answer on for themselves.
_REFUSED: Mapping[IPv4Network | IPv6Network, str] = {
    ip_network(network): reason
    for network, reason in {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared (carrier-grade NAT)",
        "168.63.129.16/32": "cloud metadata",
        "169.254.0.0/16": "link-local (cloud metadata)",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "documentation",
        "192.88.99.0/24": "6to4 relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "benchmarking",
        "198.51.100.0/24": "documentation",
        "203.0.113.0/24": "documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
        # Of IPv6 only 2000::/3 is public: not ::/128, 64:ff9b::/96 (NAT64), fc00::/7, fe80::/10 or ff00::/8.
        "::/3": "reserved or translated",
        "4000::/2": "reserved",
        "8000::/1": "private, link-local, multicast or reserved",
        "2001::/23": "protocol assignments",
        "2001:db8::/32": "documentation",
        "2002::/16": "6to4",
        "3fff::/20": "documentation",
    }.items()
}


def is_loopback_host(host: str) -> bool:
    """Whether a host, as a URL or a setting names it, is this machine: `localhost` or a loopback address."""
    address = _literal(host)
    return _unmapped(address).is_loopback if address else host.lower().rstrip(".") == "localhost"


def check_receiver_url(url: str, *, allow_loopback: bool) -> None:
    """Raises `InvalidRequest` for a URL that no webhook may go to, as far as can be said without resolving its name.

    https only; http is for receivers on loopback, while those are allowed.
    """
    parts = _split(url)
    host = parts.hostname or ""
    is_loopback = is_loopback_host(host)
    if is_loopback and not allow_loopback:
        raise _refused(f"{host} is loopback")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
        raise _refused("it must be an https URL")
    address = _literal(host)
    if address:
        _check_address(address, allow_loopback=allow_loopback)


def resolve_receiver(host: str, port: int, *, allow_loopback: bool) -> list[Address]:
    """The addresses of a receiver, for whoever connects to one of them right away.

    Raises `InvalidRequest` unless every one of them is allowed, `OSError` when the name does not resolve.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ip_address(text) for text in dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)]
    for address in addresses:
        _check_address(address, allow_loopback=allow_loopback)
    return addresses


def _split(url: str) -> SplitResult:
    if len(url) > _MAX_URL_CHARS or not _URL.fullmatch(url):
        raise _refused(f"it must be a URL of at most {_MAX_URL_CHARS} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused("it is not a URL") from error
    if parts.username is not None or parts.password is not None:
        raise _refused("it must not hold credentials")
    if port == 0 or not _HOST.fullmatch(parts.hostname or ""):
        raise _refused("it names no host that can be called")
    return parts


def _literal(host: str) -> Address | None:
    """The address that a host spells out, in every way that the C library reads one (`127.1`, `0x7f000001`)."""
    host = host.removesuffix(".")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _unmapped(address: Address) -> Address:
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _check_address(address: Address, *, allow_loopback: bool) -> None:
    plain = _unmapped(address)
    if plain.is_loopback:
        if allow_loopback:
            return
        raise _refused(f"{address} is loopback")
    for network, reason in _REFUSED.items():
        if plain in network:
            raise _refused(f"{address} is {reason}")


def _refused(reason: str) -> InvalidRequest:
    return InvalidRequest(f"{_FIELD} can't be used: {reason}", _FIELD)
