"""Describes what operators pause. Does no I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.access.keys import is_tenant
from shared.jobs.spec import Priority
from shared.jobs.states import Stage

_MOST_REVISION = 128


class PauseKind(StrEnum):
    """What a pause concerns: a stage (`ar`, `dit`), a priority class, a tenant or a model revision."""

    STAGE = "stage"
    CLASS = "class"
    TENANT = "tenant"
    REVISION = "revision"

    def fault_of(self, name: str) -> str | None:
        """Returns why nothing of this kind can have this name; None for a valid name."""
        match self:
            case PauseKind.STAGE:
                return None if name in set(Stage) else f"must be {' or '.join(Stage)}"
            case PauseKind.CLASS:
                return None if name in set(Priority) else f"must be {' or '.join(Priority)}"
            case PauseKind.TENANT:
                return None if is_tenant(name) else "must be up to 63 of a-z 0-9 _ . - with a letter or digit first"
            case PauseKind.REVISION:
                is_valid = name.isprintable() and name.strip() and "|" not in name and len(name) <= _MOST_REVISION
                return None if is_valid else f"must be up to {_MOST_REVISION} printable characters without |"


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause: no worker claims what it concerns. `reason` is a note for people, also for the callers whose work waits.

    `since` is when the pause began, in UTC. `key_id` is the API key that paused; '' if the API has no keys.
    """

    kind: PauseKind
    name: str
    reason: str
    since: datetime
    key_id: str = ""

    @property
    def what(self) -> str:
        """Returns what is paused, in words, such as `stage dit`."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Drain:
    """The drain of a worker by an operator: why, since when (in UTC), and the API key of the operator ('' for none)."""

    reason: str
    since: datetime
    key_id: str = ""
