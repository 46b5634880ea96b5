"""Decides whether new renders are accepted. For this it checks the free capacity of the service and the limits of the
tenant.

All code that creates renders asks this module: for new jobs, retries and re-renders in all API formats, and for batch
lines.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.access.budget import Spent, pictures_left, refuse_over_budget
from shared.access.limits import LimitDecision, Load, TenantLimits, refuse_more_queued, refuse_more_stored
from shared.errors import GridpressError, QueueFull, StoreFull, TenantLimitReached
from shared.ids import TenantId
from shared.store.access.capacity import Capacity
from shared.store.access.rate_limits import RateLimits
from shared.store.jobs.jobs import JobStore
from shared.store.usage.usage import UsageStore


@dataclass(frozen=True, slots=True)
class Room:
    """The number of renders that a batch may create now. A batch creates renders by releasing lines (turning them into
    jobs).

    - `wanted` is the target of the batch. The batch releases lines until their renders reach this number. The last line
    may exceed it.
    - `allowed` follows from a limit of the tenant or the service. No line may exceed it.
    - `limit` is the name of that limit, or ''.
    """

    wanted: int
    allowed: float = math.inf
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """Checks the limits of the service and the tenant before renders are created, and counts the renders afterwards.

    For a job, call `check` first, then `use_pixels` right before the job is written, then `count`. The script that
    writes the job checks the tenant's limit of queued renders once more. Methods raise `StoreUnavailable`.
    """

    capacity: Capacity
    jobs: JobStore
    rate_limits: RateLimits
    usage: UsageStore

    def check_service(self) -> None:
        """Raises `StoreFull` or `QueueFull` when the service accepts no more renders."""
        self.capacity.check()

    def check(self, tenant: TenantId, limits: TenantLimits, num_renders: int) -> None:
        """Checks whether the service accepts `num_renders` more renders of the tenant. Also checks the tenant's limit
        of queued renders, its budgets, and that it may store at least one more byte.

        Raises `StoreFull`, `QueueFull` and `TenantLimitReached`.
        """
        self.check_service()
        self.check_stored(tenant, limits)
        self._check_queued(tenant, limits, num_renders)

    def refusals(
        self, tenant: TenantId, limits: TenantLimits, num_renders: int, num_pixels: int
    ) -> list[GridpressError]:
        """Returns all errors with which the service would refuse these renders now. Charges nothing to the limits."""
        checks: Sequence[Callable[[], None]] = (
            self.check_service,
            lambda: self.check_stored(tenant, limits),
            lambda: self._check_queued(tenant, limits, num_renders),
            lambda: self._check_pixels(tenant, limits, num_pixels),
        )
        found: list[GridpressError] = []
        for check in checks:
            try:
                check()
            except (StoreFull, QueueFull, TenantLimitReached) as error:
                found.append(error)
        return found

    def _check_pixels(self, tenant: TenantId, limits: TenantLimits, num_pixels: int) -> None:
        refusal = self.rate_limits.refuse_pixels(tenant, limits, num_pixels)
        if refusal:
            raise TenantLimitReached(refusal)

    def _check_queued(self, tenant: TenantId, limits: TenantLimits, num_renders: int) -> None:
        if limits.queued_renders is None and not _has_budget(limits):
            return
        load = self.jobs.load(tenant)
        refusal = refuse_more_queued(limits, load.queued, num_renders)
        if not refusal and _has_budget(limits):
            now = datetime.now(UTC)
            refusal = refuse_over_budget(limits, self.spent(tenant, load, now), num_renders, now)
        if refusal:
            raise TenantLimitReached(refusal)

    def spent(self, tenant: TenantId, load: Load, now: datetime) -> Spent:
        """Returns what the tenant used of its budgets in this month. `load` are its renders that wait or run."""
        used = self.usage.of_month(tenant, now.date())
        return Spent.of(used.pictures, used.ar_device_ms + used.dit_device_ms, load)

    def check_stored(self, tenant: TenantId, limits: TenantLimits) -> None:
        """Checks that the tenant may store at least one more byte. Raises `TenantLimitReached`.

        Pictures of accepted jobs are always stored, so these may exceed the limit.
        """
        if limits.stored_bytes is None:
            return
        num_bytes = self.jobs.stored_bytes(tenant)
        if num_bytes >= limits.stored_bytes:
            raise TenantLimitReached(refuse_more_stored(num_bytes, limits.stored_bytes, 1))

    def use_pixels(self, tenant: TenantId, limits: TenantLimits, num_pixels: int) -> LimitDecision | None:
        """Charges pixels to the tenant's daily limit of pixels. Returns the decision whether the limit allows them, or
        None for a tenant without this limit.
        """
        return self.rate_limits.use_pixels(tenant, limits, num_pixels)

    def count(self, num_renders: int) -> None:
        """Adds renders that were just accepted to the measured length of the queue. The queue is measured only once a
        second, and this limits a burst of requests in between.
        """
        self.capacity.count(num_renders)

    def room(self, tenant: TenantId, limits: TenantLimits, wanted: int) -> Room:
        """Returns for how many renders a batch may now create jobs, and which limit applies. `wanted` is the number of
        renders that the batch should create.
        """
        try:
            self.check_service()
        except (StoreFull, QueueFull) as error:
            return Room(wanted, 0, error.code)
        try:
            self.check_stored(tenant, limits)
        except TenantLimitReached as error:
            return Room(wanted, 0, error.refusal.limit)
        if wanted <= 0 or (limits.queued_renders is None and not _has_budget(limits)):
            return Room(wanted)
        load = self.jobs.load(tenant)
        rooms: list[tuple[float, str]] = []
        if limits.queued_renders is not None:
            rooms.append((limits.queued_renders - load.queued, "queued_renders"))
        if _has_budget(limits):
            rooms.append(pictures_left(limits, self.spent(tenant, load, datetime.now(UTC))))
        return Room(wanted, *min(rooms))

    def within_pixels(self, tenant: TenantId, limits: TenantLimits, pixels: Sequence[int]) -> int:
        """Charges batch lines to the tenant's daily limit of pixels, one after the other. Returns how many lines fit.

        `pixels` has the number of pixels of each line.
        """
        for index, num_pixels in enumerate(pixels):
            decision = self.use_pixels(tenant, limits, num_pixels) if num_pixels else None
            if decision and decision.refusal:
                return index
        return len(pixels)


def _has_budget(limits: TenantLimits) -> bool:
    return limits.pictures_per_month is not None or limits.device_seconds_per_month is not None
