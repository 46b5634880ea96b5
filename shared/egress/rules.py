"""Which URLs and which of their addresses may be called. Resolves nothing and connects to nothing."""

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Self
from urllib.parse import SplitResult, urlsplit

from shared.egress.addresses import Address, Network, is_loopback_host, literal, unmapped, why_not_public
from shared.egress.errors import EgressRefused
from shared.errors import Misconfigured
from shared.settings import Settings

_MAX_URL_CHARS = 2_048
_URL = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash: parsers disagree about the rest
# DNS labels, with the underscores that occur. Longer or empty ones make the resolver raise instead of answer.
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart once, so that what is checked is what is called. `host` is a name or one plain address."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class EgressRules:
    """https to public addresses, plus what the operator allows.

    `allow_loopback` is for an API that is itself bound to loopback: its caller sits on this machine. A host or network
    of the allow-list may be called whatever its address is, and by plain http.
    """

    allow_loopback: bool = False
    allowed_networks: tuple[Network, ...] = ()
    allowed_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The rules that the settings ask for. Raises `Misconfigured` for an allow-list that cannot be read."""
        networks, hosts = _allow_list(settings.egress_allow)
        return cls(is_loopback_host(settings.host), networks, hosts)

    def target(self, url: str) -> Target:
        """Raises `EgressRefused` for a URL that may not be called, as far as can be said without resolving its name."""
        parts = _split(url)
        address = literal(parts.hostname or "")
        host = str(address) if address else (parts.hostname or "").lower().rstrip(".")
        is_https = parts.scheme == "https"
        if is_loopback_host(host) and not self._is_allowed(address, host):
            raise EgressRefused(f"{host} is loopback")
        if not is_https and not (parts.scheme == "http" and self._may_be_plain(address, host)):
            raise EgressRefused("it must be an https URL")
        if address:
            self.check(address, host)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, parts.port or (443 if is_https else 80), path)

    def check(self, address: Address, host: str) -> None:
        """Raises `EgressRefused` unless `host` may be called at this address."""
        reason = why_not_public(unmapped(address))
        if reason and not self._is_allowed(address, host):
            raise EgressRefused(f"{address} is {reason}")

    def _may_be_plain(self, address: Address | None, host: str) -> bool:
        return is_loopback_host(host) or self._is_allowed(address, host)

    def _is_allowed(self, address: Address | None, host: str) -> bool:
        """Whether the allow-list or the loopback rule lets this host be called here; a name alone has no address."""
        if host in self.allowed_hosts:
            return True
        if address is None:
            return self.allow_loopback and is_loopback_host(host)
        plain = unmapped(address)
        return (self.allow_loopback and plain.is_loopback) or any(plain in net for net in self.allowed_networks)


def _split(url: str) -> SplitResult:
    if len(url) > _MAX_URL_CHARS or not _URL.fullmatch(url):
        raise EgressRefused(f"it must be a URL of at most {_MAX_URL_CHARS} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EgressRefused("it is not a URL") from error
    if parts.username is not None or parts.password is not None:
        raise EgressRefused("it must not hold credentials")
    host = (parts.hostname or "").removesuffix(".")
    if port == 0 or not (literal(host) or _NAME.fullmatch(host)):
        raise EgressRefused("it names no host that can be called")
    return parts


def _allow_list(text: str) -> tuple[tuple[Network, ...], frozenset[str]]:
    """Networks (`10.1.0.0/16`, `10.1.2.3`) and host names, separated by commas."""
    networks, hosts = [], set()
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ip_network(entry))
        except ValueError as error:
            if literal(entry) or not _NAME.fullmatch(entry):
                message = f"GRIDPRESS_EGRESS_ALLOW: {entry} is neither a network nor a host name ({error})"
                raise Misconfigured(message) from error
            hosts.add(entry.rstrip("."))
    return tuple(networks), frozenset(hosts)
