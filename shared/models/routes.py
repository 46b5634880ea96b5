"""Describes where a new job goes: to which model revision."""

from dataclasses import dataclass

from shared.ids import Revision

_UNSERVED = "@"  # begins the name of the lane in which jobs wait for a model without any known revision


@dataclass(frozen=True, slots=True)
class Route:
    """The revision that a new job goes to, and whether the canary share of its model chose it. An empty revision leaves
    the choice to the store.
    """

    revision: Revision
    is_canary: bool = False


ANY_ROUTE = Route(Revision(""))


def key_of(name: str) -> str:
    """Returns a model's name with small letters, under which the store knows the model. Only ASCII letters change."""
    return name.strip().encode().lower().decode()


def stand_in(key: str) -> Revision:
    """Returns what stands for a revision of a model of which none is known. Its jobs wait for a worker."""
    return Revision(_UNSERVED + key)


def is_stand_in(revision: str) -> bool:
    """Returns whether a revision stands for a model of which no revision is known."""
    return revision.startswith(_UNSERVED)
