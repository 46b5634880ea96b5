"""Limits how many units, such as bytes, several processes use together, in total and for each tenant. The counts are in
shared memory.

The quota does not know what the units are, and its calls never wait.
"""

from hashlib import blake2b
from mmap import mmap
from threading import Lock

_BUCKETS = 4_096  # of each hash function; see `SharedQuota`
_NUMBER_BYTES = 8


class SharedQuota:
    """Counts units, such as bytes, for several processes. Each process has its own row of counts, which its parent
    clears after the process ends.

    There is no lock between processes, so a killed process leaves no lock behind. Instead, a process first adds the
    units to its own count. If the sum of all counts then exceeds a limit, the process subtracts the units again and
    refuses. Two processes that ask at the same moment may both be refused, but together they never get more than the
    limit.

    Tenants are hashed into buckets. Two hash functions count each tenant in two buckets, and the smaller count is
    taken. So another tenant's units don't count for a tenant unless both their buckets are the same: one pair in 16
    million.
    """

    def __init__(self, most: int, most_each: int, num_processes: int = 1) -> None:
        """Creates the quota's counts in memory that forked processes share, so create the quota before the fork. `most`
        limits the units of all tenants, `most_each` those of one tenant.
        """
        self._most = most
        self.most_each = most_each
        width = 1 + 2 * _BUCKETS  # the total, then one for each bucket
        counts = memoryview(mmap(-1, num_processes * width * _NUMBER_BYTES)).cast("q")
        self._rows = [counts[number * width : (number + 1) * width] for number in range(num_processes)]
        self._own = self._rows[0]
        self._lock = Lock()  # between the threads of this process

    @property
    def held(self) -> int:
        """Returns the number of the quota's units that all processes together hold now."""
        return sum(row[0] for row in self._rows)

    def join(self, number: int) -> None:
        """Selects the row of the quota's shared counts in which this process counts its units. Each process needs its
        own row.
        """
        self._own = self._rows[number]

    def clear(self, number: int) -> None:
        """Sets the counts of a process that has ended to zero, so that the units that it held are free again. `number`
        is the row of that process in the shared counts.
        """
        self._rows[number][:] = memoryview(bytes(len(self._rows[number]) * _NUMBER_BYTES)).cast("q")

    def held_by(self, tenant: str) -> int:
        """Returns the number of units that all processes together hold for the tenant now."""
        return self._held_in(_buckets_of(tenant))

    def take(self, tenant: str, num: int = 1, *, most_each: int | None = None) -> bool:
        """Takes `num` units of the quota for the tenant. Returns False, and takes no units, if the limit of all tenants
        or of this tenant would be exceeded. `most_each` replaces the limit of the quota for this tenant.
        """
        buckets = _buckets_of(tenant)
        with self._lock:
            self._count(buckets, num)
            if self.held <= self._most and self._held_in(buckets) <= (
                self.most_each if most_each is None else most_each
            ):
                return True
            self._count(buckets, -num)
            return False

    def give_back(self, tenant: str, num: int = 1) -> None:
        with self._lock:
            self._count(_buckets_of(tenant), -num)

    def _held_in(self, buckets: tuple[int, int]) -> int:
        return min(sum(row[bucket] for row in self._rows) for bucket in buckets)

    def _count(self, buckets: tuple[int, int], num: int) -> None:
        for bucket in buckets:
            self._own[bucket] += num
        self._own[0] += num


def _buckets_of(tenant: str) -> tuple[int, int]:
    number = int.from_bytes(blake2b(tenant.encode(), digest_size=8).digest())
    return 1 + number % _BUCKETS, 1 + _BUCKETS + number // _BUCKETS % _BUCKETS
