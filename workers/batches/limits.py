"""Computes how many renders of a batch may be released now, by the limits of its tenant and the service."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shared.access.limits import TenantLimits
from shared.errors import QueueFull, StoreFull
from shared.ids import TenantId
from shared.store.access.capacity import Capacity
from shared.store.access.keys import KeyStore
from shared.store.access.rate_limits import RateLimits
from shared.store.batch_work.work import Leased
from shared.store.jobs.jobs import JobStore


@dataclass(frozen=True, slots=True)
class Room:
    """Room for renders. Lines are released up to `wanted`, which the last one may exceed; none may exceed `allowed`.

    `limit` names the limit that lowers `allowed`; '' when only the batch's own target holds lines back.
    """

    wanted: int
    allowed: float = math.inf
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for releasing lines. Only released lines count."""

    capacity: Capacity
    jobs: JobStore
    keys: KeyStore
    rates: RateLimits

    def room(self, found: Leased) -> Room:
        """Returns how many more renders the batch may release now."""
        try:
            self.capacity.check()
        except (StoreFull, QueueFull) as error:
            return Room(found.room, 0, error.code)
        tenant = found.batch.spec.tenant
        most = self.keys.limits(tenant).queued_renders
        if most is None or found.room <= 0:
            return Room(found.room)
        return Room(found.room, most - self.jobs.load(tenant).queued, "queued_renders")

    def of(self, tenant: TenantId) -> TenantLimits:
        """Returns the limits of `tenant`."""
        return self.keys.limits(tenant)

    def within_pixels(self, tenant: TenantId, pixels: Sequence[int]) -> int:
        """Counts the pixels of lines in order, until the tenant's limit is reached. Returns the number of lines
        counted.
        """
        limits = self.keys.limits(tenant)
        if limits.pixels_per_day is None:
            return len(pixels)
        for index, num in enumerate(pixels):
            verdict = self.rates.use_pixels(tenant, limits, num) if num else None
            if verdict and verdict.refusal:
                return index
        return len(pixels)
