"""Deletes latents of unfinished renders once their render has ended or their time is over."""

from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.store.renders.handovers import HandoverStore
from workers.upkeep.each import delete_each

_MOST_AT_ONCE = 100


def delete_handovers(handovers: HandoverStore, objects: ObjectStore) -> int:
    """Returns how many objects. One is forgotten once it is gone, so an outage or a crash leaves none behind."""

    def delete(key: ObjectKey) -> None:
        objects.delete(key)
        handovers.forget(key)

    return delete_each(handovers.ended(_MOST_AT_ONCE), delete, handovers.put_off)
