"""Decides which URLs, and which IP addresses of their hosts, the service may call. Resolves nothing and connects to
nothing.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from shared.addresses import Address, Network, is_loopback_host, literal, unmapped, why_not_public
from shared.egress.errors import EgressRefused
from shared.errors import Misconfigured
from shared.settings.networks import read_network
from shared.settings.settings import Settings

LOOPBACK = "127.0.0.0/8,::1/128,localhost"  # this machine, as an allow-list names it
_MAX_URL_CHARS = 2_048
_URL = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash: parsers disagree about the rest
# A DNS label; underscores occur in practice. For longer or empty labels the resolver would raise an exception.
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a parsed URL. The same parts are used to check the URL and to call it, so that both always mean the
    same host. `host` is a name or one plain IP address.
    """

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class AllowList:
    """Networks and host names that the service may call although they are not public, also over plain http.

    A host name in the list is allowed whatever its addresses are.
    """

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str, setting: str) -> Self:
        """Parses an allow-list: networks (`10.1.0.0/16`, `10.1.2.3`) and host names, separated by commas.

        Raises `Misconfigured` for any other entry. Its message contains `setting`, the name of the setting.
        """
        networks, hosts = [], set()
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(read_network(entry))
            except ValueError as error:
                if literal(entry) or not _NAME.fullmatch(entry):
                    raise Misconfigured(f"{setting}: {error}, and not a host name") from error
                hosts.add(entry.rstrip("."))
        return cls(tuple(networks), frozenset(hosts))

    def holds(self, address: Address | None, host: str) -> bool:
        """Returns whether this allow-list permits calls to the host at this address. `address` is None if the host name
        was not resolved.
        """
        if host in self.hosts:
            return True
        return address is not None and any(unmapped(address) in network for network in self.networks)


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class EgressRules:
    """The rules for requests to URLs that callers give. Allowed are https URLs with public addresses, and everything in
    two allow-lists of the operator.

    The second list, `allowed_while_open`, is valid only while the API has no API keys. `is_open` is a function that
    returns whether this is so. It is called at each check, so that the list stops being valid with the first API key.
    """

    allowed: AllowList = AllowList()
    allowed_while_open: AllowList = AllowList()
    is_open: Callable[[], bool] = _never

    @classmethod
    def of(cls, settings: Settings, is_open: Callable[[], bool]) -> Self:
        """Creates the egress rules from the settings. `is_open` tells whether the API has no API keys yet.

        Raises `Misconfigured` for an invalid allow-list.
        """
        return cls(
            AllowList.read(settings.egress_allow, "GRIDPRESS_EGRESS_ALLOW"),
            AllowList.read(settings.egress_allow_while_open, "GRIDPRESS_EGRESS_ALLOW_WHILE_OPEN"),
            is_open,
        )

    def target(self, url: str) -> Target:
        """Parses and checks a URL without resolving its name. Raises `EgressRefused` if the service may not call the
        URL.
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
        """Raises `EgressRefused` unless the service may call the host at this address. If `host` is a name, the message
        does not reveal the address.
        """
        reason = why_not_public(unmapped(address))
        if reason and not self._is_allowed(address, host):
            raise EgressRefused(f"{host} is {reason}" if literal(host) else f"{host} has an address that is not public")

    def allows_details(self, addresses: Iterable[Address]) -> bool:
        """Returns whether a caller may see details of responses from these addresses.

        Tenants may see details only of public addresses, because other addresses belong to the operator's own network.
        While the API has no API keys, the operator is the only caller and may see everything.
        """
        return all(why_not_public(unmapped(address)) is None for address in addresses) or self.is_open()

    def settled(self) -> "EgressRules":
        """Returns a copy of the egress rules in which it is fixed whether the API has API keys, so the copy never calls
        `is_open`.

        Child processes that can't ask the store use this copy. Raises `StoreUnavailable`.
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
