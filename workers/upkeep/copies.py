"""Erases the copies of jobs and batches in the bucket of a tenant. Other objects of the bucket stay."""

from itertools import islice

from shared.objects.bucket_client import BucketClient

_FOLDERS = 10  # in one step


def erase_copies(bucket: BucketClient) -> int:
    """Deletes the copies in some folders of jobs and batches, and returns how many; 0 when none is left.

    Raises `BucketRefused`.
    """
    place, num = bucket.place, 0
    for parent in place.folders:
        for folder in islice(filter(place.is_folder_of_copies, bucket.folders(parent)), _FOLDERS):
            num += bucket.delete_some(folder)
    return num
