"""Limits what several processes hold together, in all and of each tenant. The counts are in memory that they share.

Knows nothing of what is held, and waits for nothing.
"""

from hashlib import blake2b
from mmap import mmap
from threading import Lock

_BUCKETS = 4_096  # tenants that fall into the same one share a tenant's limit
_NUMBER_BYTES = 8


class Quota:
    """Counts units, such as bytes. Each process counts in a row of its own, which the parent clears when it has ended.

    There is no lock between processes, so one that is killed leaves none behind. A process counts first and takes that
    back if the sum is over a limit; so two that ask at the same moment may both be refused, and never both be granted.
    """

    def __init__(self, most: int, most_each: int, num_processes: int = 1) -> None:
        """Must be made before the processes are forked."""
        self._most = most
        self._most_each = most_each
        width = 1 + _BUCKETS  # the total, then one for each bucket
        counts = memoryview(mmap(-1, num_processes * width * _NUMBER_BYTES)).cast("q")
        self._rows = [counts[number * width : (number + 1) * width] for number in range(num_processes)]
        self._own = self._rows[0]
        self._lock = Lock()  # of the threads of this process

    @property
    def held(self) -> int:
        """The units that all processes hold."""
        return sum(row[0] for row in self._rows)

    def join(self, number: int) -> None:
        """Makes this process the one that counts in row `number`."""
        self._own = self._rows[number]

    def clear(self, number: int) -> None:
        """Drops what a process that has ended held."""
        self._rows[number][:] = memoryview(bytes(len(self._rows[number]) * _NUMBER_BYTES)).cast("q")

    def take(self, tenant: str, num: int = 1) -> bool:
        """Takes units. Returns False, and takes none, when that would be over a limit."""
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
