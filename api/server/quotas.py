"""What all processes of the API may hold together. The server tells each process its number."""

from dataclasses import dataclass
from typing import Self

from shared.process.quota import Quota
from shared.settings.settings import Settings

_FEWEST_DECODERS = 2  # so that a tenant whose picture takes long leaves one for the others


@dataclass(frozen=True, slots=True)
class Quotas:
    """Bytes of bodies and pictures, of which a tenant may hold half.

    And pictures that are decoded at once: one for each process, of which a tenant leaves one to others.
    """

    held_bytes: Quota
    decoders: Quota

    @classmethod
    def of(cls, settings: Settings, num_processes: int = 1) -> Self:
        """Must be called before the processes are forked."""
        num_decoders = max(_FEWEST_DECODERS, num_processes)
        return cls(
            Quota(settings.max_held_bytes, settings.max_held_bytes // 2, num_processes),
            Quota(num_decoders, num_decoders - 1, num_processes),
        )

    def join(self, number: int) -> None:
        """Makes this process the one with this number, from 0."""
        for quota in (self.held_bytes, self.decoders):
            quota.join(number)

    def clear(self, number: int) -> None:
        """Drops what the process with this number held, once it has ended."""
        for quota in (self.held_bytes, self.decoders):
            quota.clear(number)
