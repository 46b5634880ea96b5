"""Erases the copies of jobs and batches in the bucket of a tenant. Other objects of the bucket stay."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.objects.bucket_client import BucketClient
from shared.objects.bucket_errors import BucketRefused

# Of one erasure. The server belongs to the tenant and may list without end. 20,000 pages have 10 million objects.
_MOST_PAGES, _MOST_S = 20_000, 86_400.0
_PAUSE_FACTOR = 9  # the thread spends a tenth of its time on a bucket that is slow
_QUICK_S = 1.0  # a step that takes no longer has no pause


@dataclass(slots=True)
class CopyErasure:
    """Erases the copies of one tenant, one page of its bucket in each step. Knows how far it is and when to go on."""

    now_s: Callable[[], float] = time.monotonic
    _parent: int = field(default=0, init=False)  # 0: jobs, 1: batches
    _token: str | None = field(default=None, init=False)
    _num_pages: int = field(default=0, init=False)
    _begun_at_s: float = field(init=False)
    _resumes_at_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._begun_at_s = self._resumes_at_s = self.now_s()

    @property
    def is_under_way(self) -> bool:
        """Returns whether a search of the bucket has begun and not reached the last page."""
        return self._parent > 0 or self._token is not None

    @property
    def pauses(self) -> bool:
        """Returns whether the next step has to wait, because the bucket was slow."""
        return self.now_s() < self._resumes_at_s

    def step(self, bucket: BucketClient) -> int:
        """Deletes the copies of the next page, and returns how many. After the last page the search begins anew.

        Raises `BucketRefused`, also if the erasure has taken too many pages or too long.
        """
        began_at_s = self.now_s()
        try:
            return self._step(bucket)
        finally:
            took_s = self.now_s() - began_at_s
            self._resumes_at_s = self.now_s() + (_PAUSE_FACTOR * took_s if took_s > _QUICK_S else 0.0)

    def restart(self) -> None:
        """Ends the search of the bucket. The next step begins with the first page."""
        self._parent, self._token = 0, None

    def _step(self, bucket: BucketClient) -> int:
        if self._num_pages >= _MOST_PAGES or self.now_s() - self._begun_at_s >= _MOST_S:
            raise BucketRefused(f"it still lists objects after {self._num_pages} pages, or is too slow", "bucket")
        self._num_pages += 1
        parent = bucket.place.folders[self._parent]
        keys, self._token = bucket.page(parent, self._token)
        copies = [key for key in keys if bucket.place.is_copy(key)]
        bucket.delete_keys(copies)
        if self._token is None:
            self._parent = (self._parent + 1) % len(bucket.place.folders)
        return len(copies)
