"""Defines what an API key permits, and compares it with what another API key permits. Does no I/O.

An API key can grant only what it has itself. So a key that is restricted creates only keys with at least the same
restrictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from shared.addresses import Address, Network


class Scope(StrEnum):
    """A permission of an API key. `admin` allows everything within the key's tenant. `operator` allows what belongs
    to the platform and not to one tenant.
    """

    RENDER = "render"
    READ = "read"
    ADMIN = "admin"
    OPERATOR = "operator"


class Excess(NamedTuple):
    """A right that an API key can't grant, because it does not have it. `field` is the right's name in requests."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Rights:
    """What an API key permits: to whom, from where, for which models and until when.

    Without `networks` the key works from every address, and without `models` it renders with every model. Names of
    models are compared without upper and lower case. `expires_at` is None for a key that does not expire.
    """

    scopes: frozenset[Scope]
    networks: tuple[Network, ...] = ()
    models: tuple[str, ...] = ()
    expires_at: datetime | None = None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or (Scope.ADMIN in self.scopes and scope is not Scope.OPERATOR)

    def permits(self, address: Address | None) -> bool:
        """Returns whether a caller at this address may use the API key. `address` is None if it is unknown."""
        return not self.networks or (address is not None and any(address in network for network in self.networks))

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def lacks(self, scopes: frozenset[Scope]) -> Excess | None:
        """Returns the scopes that these rights don't include, or None if they include all."""
        missing = sorted(scope for scope in scopes if not self.allows(scope))
        return Excess("scopes", f"your API key has no scope {' or '.join(missing)}") if missing else None

    def excess_of(self, wanted: "Rights") -> Excess | None:
        """Returns what `wanted` has more than these rights. Returns None if it has nothing more."""
        return (
            self.lacks(wanted.scopes)
            or self._excess_of_networks(wanted.networks)
            or self._excess_of_models(wanted.models)
            or self._excess_of_time(wanted.expires_at)
        )

    def _excess_of_networks(self, wanted: Sequence[Network]) -> Excess | None:
        if not self.networks or (wanted and all(_is_within(each, self.networks) for each in wanted)):
            return None
        own = ", ".join(map(str, self.networks))
        return Excess("networks", f"your API key works from {own} only, so the networks must lie within these")

    def _excess_of_models(self, wanted: Sequence[str]) -> Excess | None:
        own = {name.lower() for name in self.models}
        if not own or (wanted and own.issuperset(name.lower() for name in wanted)):
            return None
        return Excess("models", f"your API key is for {', '.join(self.models)} only, so the models must be among these")

    def _excess_of_time(self, wanted: datetime | None) -> Excess | None:
        if self.expires_at is None or (wanted is not None and wanted <= self.expires_at):
            return None
        own = self.expires_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        return Excess("expires_at", f"your API key expires at {own}, so the time must not be later")


def _is_within(network: Network, allowed: Sequence[Network]) -> bool:
    return any(network.version == each.version and network.subnet_of(each) for each in allowed)  # type: ignore[arg-type]
