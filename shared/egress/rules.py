"""Decides which URLs, and which addresses of their hosts, may be called. Resolves nothing, connects to nothing."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Self
from urllib.parse import SplitResult, urlsplit

from shared.egress.addresses import Address, Network, is_loopback_host, literal, unmapped, why_not_public
from shared.egress.errors import EgressRefused
from shared.errors import Misconfigured
from shared.settings.settings import Settings

LOOPBACK = "127.0.0.0/8,::1/128,localhost"  # as an allow-list names this machine
_MAX_URL_CHARS = 2_048
_URL = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash: parsers disagree about the rest
# DNS labels, with the underscores that occur. Longer or empty ones make the resolver raise instead of answer.
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL, so that the same parts are checked and called. `host` is a name or one plain address."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class AllowList:
    """Networks, and hosts with any address, that may be called over plain http, too."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str, setting: str) -> Self:
        """Parses networks (`10.1.0.0/16`, `10.1.2.3`) and host names, separated by commas. Raises `Misconfigured`."""
        networks, hosts = [], set()
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ip_network(entry))
            except ValueError as error:
                if literal(entry) or not _NAME.fullmatch(entry):
                    message = f"{setting}: {entry} is neither a network nor a host name ({error})"
                    raise Misconfigured(message) from error
                hosts.add(entry.rstrip("."))
        return cls(tuple(networks), frozenset(hosts))

    def holds(self, address: Address | None, host: str) -> bool:
        """Returns whether the list contains the host at this address. `address` is None for a name that is not
        resolved.
        """
        if host in self.hosts:
            return True
        return address is not None and any(unmapped(address) in network for network in self.networks)


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class EgressRules:
    """Allows https to public addresses, and the operator's allow-lists: one always, one only while the API has no keys.

    `is_open` is asked at each check, so that the second list ends with the first key.
    """

    allowed: AllowList = AllowList()
    allowed_while_open: AllowList = AllowList()
    is_open: Callable[[], bool] = _never

    @classmethod
    def of(cls, settings: Settings, is_open: Callable[[], bool]) -> Self:
        """Makes the rules from the settings. Raises `Misconfigured` for an invalid allow-list."""
        return cls(
            AllowList.read(settings.egress_allow, "GRIDPRESS_EGRESS_ALLOW"),
            AllowList.read(settings.egress_allow_while_open, "GRIDPRESS_EGRESS_ALLOW_WHILE_OPEN"),
            is_open,
        )

    def target(self, url: str) -> Target:
        """Parses and checks the URL without resolving its name.

        Raises `EgressRefused` for one that may not be called.
        """
        parts = _split(url)
        address = literal(parts.hostname or "")
        host = str(address) if address else (parts.hostname or "").lower().rstrip(".")
        is_https = parts.scheme == "https"
        if address:
            self.check(address, host)
        elif is_loopback_host(host) and not self._is_allowed(None, host):
            raise EgressRefused(f"{host} is loopback")
        if not is_https and not (parts.scheme == "http" and self._is_allowed(address, host)):
            raise EgressRefused("it must be an https URL")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, parts.port or (443 if is_https else 80), path)

    def check(self, address: Address, host: str) -> None:
        """Raises `EgressRefused` unless `host` may be called at this address. The message shows no address behind a
        name.
        """
        reason = why_not_public(unmapped(address))
        if reason and not self._is_allowed(address, host):
            raise EgressRefused(f"{host} is {reason}" if literal(host) else f"{host} has an address that is not public")

    def may_tell(self, addresses: Iterable[Address]) -> bool:
        """Returns whether a caller may learn details of responses from these addresses.

        Responses of the operator's own network are hidden from tenants. While the API has no keys, there is only the
        operator.
        """
        return all(why_not_public(unmapped(address)) is None for address in addresses) or self.is_open()

    def settled(self) -> "EgressRules":
        """Returns a copy of the rules that no longer asks `is_open`, for processes that can't. Raises
        `StoreUnavailable`.
        """
        late = self.allowed_while_open
        if late == AllowList() or not self.is_open():
            return EgressRules(self.allowed)
        return EgressRules(AllowList(self.allowed.networks + late.networks, self.allowed.hosts | late.hosts))

    def _is_allowed(self, address: Address | None, host: str) -> bool:
        return self.allowed.holds(address, host) or (self.allowed_while_open.holds(address, host) and self.is_open())


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
