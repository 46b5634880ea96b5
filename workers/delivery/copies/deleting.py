"""Deletes copies of a job, a batch or a batch line from the bucket of their tenant."""

import time
from collections.abc import Callable

from shared.errors import LeaseLost
from shared.objects.bucket_client import BucketClient
from shared.objects.bucket_errors import BucketRefused
from shared.store.copies.deletion import CopyDeletion

_MOST_PAGES, _MOST_S = 100, 60.0  # of one try: a server may list without end


def delete_copies(
    bucket: BucketClient,
    deletion: CopyDeletion,
    renew: Callable[[], bool],
    now_s: Callable[[], float] = time.monotonic,
) -> None:
    """Deletes all copies that `deletion` names. Other objects stay, and nothing happens if there are none.

    A folder that still has objects after 100 pages or a minute counts as refused, so that the rest is deleted later and
    the threads do other work meanwhile. `renew` extends the lease and returns whether it is still held. Raises
    `BucketRefused` and `LeaseLost`.
    """
    if keys := deletion.keys(bucket.place):
        bucket.delete_keys(keys)
        return
    folder, num, ends_at_s = deletion.folder(bucket.place), 0, now_s() + _MOST_S
    for _ in range(_MOST_PAGES):
        deleted = bucket.delete_some(folder)
        if not deleted:
            return
        num += deleted
        if not renew():
            raise LeaseLost("the lease on the deletion ended")
        if now_s() >= ends_at_s:
            break
    raise BucketRefused(f"{folder} still lists objects after {num} deletions; the rest is deleted later", "bucket")
