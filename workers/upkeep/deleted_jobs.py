"""Deletes the pictures, grids, previews and manifests of deleted jobs.

Other jobs may share condition images, so `workers.upkeep.inputs` deletes these.
"""

import json
from contextlib import suppress

from shared.errors import ObjectNotFound
from shared.ids import JobId
from shared.jobs.manifest import manifest_key
from shared.objects.store import ObjectStore
from shared.store.jobs.deleted import DeletedJobStore, folder_of, job_with_inputs
from workers.upkeep.deleting import delete_each

MOST_AT_ONCE = 20


def delete_objects_of_deleted_jobs(deleted_jobs: DeletedJobStore, objects: ObjectStore) -> int:
    """Deletes the objects of up to 20 deleted jobs and returns the number of these jobs.

    The store lists a deleted job until the job's objects are deleted. So an outage or a crash leaves no objects behind.
    """

    def delete(entry: str) -> None:
        if job_id := job_with_inputs(entry):
            _drop_inputs(job_id, deleted_jobs, objects)
        objects.delete_prefix(folder_of(entry))
        deleted_jobs.forget(entry)

    return delete_each(deleted_jobs.due(MOST_AT_ONCE), delete, deleted_jobs.put_off)


def _drop_inputs(job_id: JobId, deleted_jobs: DeletedJobStore, objects: ObjectStore) -> None:
    """Records that a job no longer uses its condition images, which only its manifest names.

    If the manifest is missing or can't be read, the daily sweep over all condition images does it.
    """
    with suppress(ObjectNotFound, ValueError, KeyError, TypeError):
        deleted_jobs.drop_inputs(job_id, json.loads(objects.get(manifest_key(job_id)))["spec"]["settings"]["images"])
