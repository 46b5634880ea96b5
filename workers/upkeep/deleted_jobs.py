"""Deletes the pictures, grids, previews and manifests of deleted jobs.

Other jobs may share condition images, so `workers.upkeep.inputs` deletes these.
"""

from shared.objects.store import ObjectStore
from shared.store.jobs.deleted import DeletedJobStore, folder_of
from workers.upkeep.deleting import delete_each

MOST_AT_ONCE = 20


def delete_objects_of_deleted_jobs(deleted_jobs: DeletedJobStore, objects: ObjectStore) -> int:
    """Deletes the objects of up to 20 deleted jobs and returns the number of these jobs.

    The store lists a deleted job until the job's objects are deleted. So an outage or a crash leaves no objects behind.
    """

    def delete(entry: str) -> None:
        objects.delete_prefix(folder_of(entry))
        deleted_jobs.forget(entry)

    return delete_each(deleted_jobs.due(MOST_AT_ONCE), delete, deleted_jobs.put_off)
