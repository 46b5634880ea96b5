"""The states of renders and jobs and the one table of arrows between them. Lua and docs are made from this table."""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class RenderState(StrEnum):
    """Where one picture is on its way through the house."""

    QUEUED = "queued"
    PRIOR_RUNNING = "prior_running"
    PRIOR_READY = "prior_ready"
    DECODE_RUNNING = "decode_running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        return not ARROWS[self]


class JobStatus(StrEnum):
    """What a job answers: derived from its renders."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


class Stage(StrEnum):
    """A GPU stage. Its value is also the name of its queue."""

    AR = "ar"
    DIT = "dit"

    @property
    def waiting(self) -> RenderState:
        """The state in which a render waits for this stage; a retry of the stage goes back to it."""
        return RenderState.QUEUED if self is Stage.AR else RenderState.PRIOR_READY

    @property
    def running(self) -> RenderState:
        return RenderState.PRIOR_RUNNING if self is Stage.AR else RenderState.DECODE_RUNNING

    @property
    def done(self) -> RenderState:
        return RenderState.PRIOR_READY if self is Stage.AR else RenderState.SUCCEEDED


_S = RenderState
_ENDS = {_S.FAILED: "error", _S.CANCELLED: "cancel", _S.EXPIRED: "deadline"}

# from -> to -> what makes it happen. The only place where an arrow is drawn.
ARROWS: Mapping[RenderState, Mapping[RenderState, str]] = {
    _S.QUEUED: {_S.PRIOR_RUNNING: "claim by an AR worker", **_ENDS},
    _S.PRIOR_RUNNING: {_S.PRIOR_READY: "token grid finished", _S.QUEUED: "retry: lease lost or handed back", **_ENDS},
    _S.PRIOR_READY: {_S.DECODE_RUNNING: "claim by a DiT worker", **_ENDS},
    _S.DECODE_RUNNING: {
        _S.SUCCEEDED: "picture stored",
        _S.PRIOR_READY: "retry: lease lost or handed back",
        **_ENDS,
    },
    _S.SUCCEEDED: {},
    _S.FAILED: {},
    _S.CANCELLED: {},
    _S.EXPIRED: {},
}

_REVIVAL = "retry of its job, or requeue of a dead letter"

# What only a person may do: another life for what ended without a picture. No script but `revive.lua` draws these.
REVIVALS: Mapping[RenderState, Mapping[RenderState, str]] = {
    state: {_S.QUEUED: _REVIVAL, _S.PRIOR_READY: _REVIVAL} if state in _ENDS else {} for state in RenderState
}


def final_status(states: Iterable[RenderState]) -> JobStatus:
    """A job's status once all its renders are final: succeeded if all are, else cancelled or expired if any was."""
    ends = set(states)
    assert all(end.is_final for end in ends)
    if ends == {_S.SUCCEEDED}:
        return JobStatus.SUCCEEDED
    if _S.CANCELLED in ends:
        return JobStatus.CANCELLED
    return JobStatus.EXPIRED if _S.EXPIRED in ends else JobStatus.FAILED
