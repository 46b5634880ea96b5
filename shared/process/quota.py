"""Limits how many units, such as bytes, several processes use together, in total and for each tenant. The counts are in
shared memory.

The quota does not know what the units are, and its calls never wait.
"""

from hashlib import blake2b
from mmap import mmap
from threading import Lock

_BUCKETS = 4_096  # tenants are hashed into buckets; tenants in the same bucket share one tenant's limit
_NUMBER_BYTES = 8


class SharedQuota:
    """Counts units, such as bytes, for several processes. Each process has its own row of counts, which its parent
    clears after the process ends.

    There is no lock between processes, so a killed process leaves no lock behind. Instead, a process first adds the
    units to its own count. If the sum of all counts then exceeds a limit, the process subtracts the units again and
    refuses. Two processes that ask at the same moment may both be refused, but together they never get more than the
    limit.
    """

    def __init__(self, most: int, most_each: int, num_processes: int = 1) -> None:
        """Creates the quota's counts in memory that forked processes share, so create the quota before the fork. `most`
        limits the units of all tenants, `most_each` those of one tenant.
        """
        self._most = most
        self._most_each = most_each
        width = 1 + _BUCKETS  # the total, then one for each bucket
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

    def take(self, tenant: str, num: int = 1) -> bool:
        """Takes `num` units of the quota for the tenant. Returns False, and takes no units, if the limit of all tenants
        or of this tenant would be exceeded.
        """
        bucket = _bucket_of(tenant)
        with self._lock:
            self._count(bucket, num)
            if self.held <= self._most and sum(row[bucket] for row in self._rows) <= self._most_each:
                return True
            self._count(bucket, -num)
            return False

    def give_back(self, tenant: str, num: int = 1) -> None:
        with self._lock:
            self._count(_bucket_of(tenant), -num)

    def _count(self, bucket: int, num: int) -> None:
        self._own[bucket] += num
        self._own[0] += num


def _bucket_of(tenant: str) -> int:
    return 1 + int.from_bytes(blake2b(tenant.encode(), digest_size=8).digest()) % _BUCKETS
