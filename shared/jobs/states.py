"""Defines the states of renders and jobs, and the table of transitions between the states. This table is the only one:
Lua code and docs are generated from it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class RenderState(StrEnum):
    """The state of a render, from the queue through both stages to its end."""

    QUEUED = "queued"
    PRIOR_RUNNING = "prior_running"
    PRIOR_READY = "prior_ready"
    DECODE_RUNNING = "decode_running"
    CHECKING = "checking"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        return not ARROWS[self]


class JobStatus(StrEnum):
    """The status of a job in responses. It is computed from the states of the job's renders."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_final(self) -> bool:
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)


class Stage(StrEnum):
    """One of the two stages of a render, AR or DiT. The value of a stage is also the name of its Celery queue."""

    AR = "ar"
    DIT = "dit"

    @property
    def waiting(self) -> RenderState:
        """Returns the state in which a render waits for this stage. If the stage is retried, the render returns to this
        state.
        """
        return RenderState.QUEUED if self is Stage.AR else RenderState.PRIOR_READY

    @property
    def running(self) -> RenderState:
        return RenderState.PRIOR_RUNNING if self is Stage.AR else RenderState.DECODE_RUNNING

    @property
    def done(self) -> RenderState:
        return RenderState.PRIOR_READY if self is Stage.AR else RenderState.SUCCEEDED


_S = RenderState
_ENDS = {_S.FAILED: "error", _S.CANCELLED: "cancel", _S.EXPIRED: "deadline"}
_PROMPT_REJECTED = {_S.REJECTED: "the content hook refused the prompt"}

# Maps each state to the states that can follow it, each with its cause. No other place defines a transition.
ARROWS: Mapping[RenderState, Mapping[RenderState, str]] = {
    _S.QUEUED: {_S.PRIOR_RUNNING: "claim by an AR worker", **_ENDS, **_PROMPT_REJECTED},
    _S.PRIOR_RUNNING: {
        _S.PRIOR_READY: "token grid finished",
        _S.SUCCEEDED: "picture of an earlier request copied",
        _S.QUEUED: "retry: lease lost or handed back",
        **_ENDS,
    },
    _S.PRIOR_READY: {_S.DECODE_RUNNING: "claim by a DiT worker", **_ENDS, **_PROMPT_REJECTED},
    _S.DECODE_RUNNING: {
        _S.SUCCEEDED: "picture stored",
        _S.CHECKING: "picture stored, to be checked",
        _S.PRIOR_READY: "retry: lease lost or handed back",
        **_ENDS,
    },
    _S.CHECKING: {
        _S.SUCCEEDED: "the checks ended",
        _S.QUEUED: "redraw: the text in the picture is wrong",
        _S.REJECTED: "the content hook refused the picture",
        **_ENDS,
    },
    _S.SUCCEEDED: {},
    _S.FAILED: {},
    _S.CANCELLED: {},
    _S.EXPIRED: {},
    _S.REJECTED: {},
}

_REVIVAL = "retry of its job, or requeue of a dead letter"

# Transitions out of a final state, which only a person may request for a render that ended without a picture.
# Only `revive.lua` makes them.
REVIVALS: Mapping[RenderState, Mapping[RenderState, str]] = {
    state: {_S.QUEUED: _REVIVAL, _S.PRIOR_READY: _REVIVAL} if state in _ENDS else {} for state in RenderState
}


def final_status(states: Iterable[RenderState]) -> JobStatus:
    """Returns a job's status from the final states of its renders.

    The job succeeded if all renders did. Otherwise it is rejected if any render was, else cancelled if any was, else
    expired if any was, else failed.
    """
    ends = set(states)
    assert all(end.is_final for end in ends)
    if ends == {_S.SUCCEEDED}:
        return JobStatus.SUCCEEDED
    if _S.REJECTED in ends:
        return JobStatus.REJECTED
    if _S.CANCELLED in ends:
        return JobStatus.CANCELLED
    return JobStatus.EXPIRED if _S.EXPIRED in ends else JobStatus.FAILED
