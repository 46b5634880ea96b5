"""Deletes handovers, which are saved latents of unfinished renders. A handover is deleted once its render has ended or
the latents have expired.
"""

from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.store.renders.handovers import HandoverStore
from workers.upkeep.deleting import delete_each

_MOST_AT_ONCE = 100


def delete_handovers(handovers: HandoverStore, objects: ObjectStore) -> int:
    """Deletes up to 100 handovers (saved latents of unfinished renders) that are no longer needed. Returns the number
    of deleted handovers.

    The store lists a handover until its object is deleted, so an outage or a crash leaves no object behind.
    """

    def delete(key: ObjectKey) -> None:
        objects.delete(key)
        handovers.forget(key)

    return delete_each(handovers.ended(_MOST_AT_ONCE), delete, handovers.put_off)
