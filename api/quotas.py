"""Defines the quotas that all API processes share: bytes of request bodies, concurrent picture decoders, and the open
requests and event streams of a tenant.
"""

from dataclasses import dataclass
from typing import Self

from shared.process.quota import SharedQuota
from shared.settings.settings import Settings

_UNLIMITED = 2**62  # the server itself limits the connections of all tenants together
_FEWEST_DECODERS = 2  # so that one is left for other tenants while a tenant's picture takes long to decode


@dataclass(frozen=True, slots=True)
class Quotas:
    """The quotas that all API processes share.

    `held_bytes` limits the bytes of request bodies and pictures in use. One tenant may use half of them. `decoders`
    limits how many pictures are decoded at the same time. This limit is the number of API processes, but at least two.
    One tenant may use all of it but one.

    `connections` limits how many requests of one tenant run at the same time, since each holds a connection. `streams`
    limits its open event streams. Both are limits of one tenant alone.
    """

    held_bytes: SharedQuota
    decoders: SharedQuota
    connections: SharedQuota
    streams: SharedQuota

    @classmethod
    def of(cls, settings: Settings, num_processes: int = 1) -> Self:
        """Creates the quotas in shared memory. Must run before the API processes are forked."""
        num_decoders = max(_FEWEST_DECODERS, num_processes)
        connections = settings.tenant_connections or max(1, settings.api_connections // 2)
        streams = settings.tenant_streams or max(1, settings.api_connections // 4)
        return cls(
            SharedQuota(settings.max_held_bytes, settings.max_held_bytes // 2, num_processes),
            SharedQuota(num_decoders, num_decoders - 1, num_processes),
            SharedQuota(_UNLIMITED, connections, num_processes),
            SharedQuota(_UNLIMITED, streams, num_processes),
        )

    @property
    def _all(self) -> tuple[SharedQuota, ...]:
        return self.held_bytes, self.decoders, self.connections, self.streams

    def join(self, number: int) -> None:
        """Gives this API process its number, counted from 0. The quotas count the units of this process under it."""
        for quota in self._all:
            quota.join(number)

    def clear(self, number: int) -> None:
        """Gives back all units that a process held when it ended.

        `number` is the number of that process.
        """
        for quota in self._all:
            quota.clear(number)
