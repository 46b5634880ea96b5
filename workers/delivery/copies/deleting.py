"""Deletes copies of a job, a batch or a batch line from the bucket of their tenant."""

from collections.abc import Callable

from shared.errors import LeaseLost
from shared.objects.bucket_client import BucketClient
from shared.store.copies.deletion import CopyDeletion


def delete_copies(bucket: BucketClient, deletion: CopyDeletion, renew: Callable[[], bool]) -> None:
    """Deletes all copies that `deletion` names. Other objects stay, and nothing happens if there are none.

    `renew` extends the lease and returns whether it is still held. Raises `BucketRefused` and `LeaseLost`.
    """
    if keys := deletion.keys(bucket.place):
        bucket.delete_keys(keys)
        return
    while bucket.delete_some(deletion.folder(bucket.place)):
        if not renew():
            raise LeaseLost("the lease on the deletion ended")
