"""Deletes the pictures, grids, previews and manifests of deleted jobs. Condition images stay: others may share them."""

from shared.objects.store import ObjectStore
from shared.store.jobs.deleted import DoomedStore, folder_of
from workers.upkeep.each import delete_each

MOST_AT_ONCE = 20


def delete_doomed(doomed: DoomedStore, objects: ObjectStore) -> int:
    """Returns how many jobs. One is forgotten once its objects are gone, so an outage or a crash leaves none behind."""

    def delete(entry: str) -> None:
        objects.delete_prefix(folder_of(entry))
        doomed.forget(entry)

    return delete_each(doomed.due(MOST_AT_ONCE), delete, doomed.put_off)
