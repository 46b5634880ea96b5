"""Faults of a simulated stage, which a prompt can request with words such as `[simulate crash in dit]`.
Tests use them.
"""

import os
import re
import signal
import threading
from enum import StrEnum
from typing import Self

from shared.errors import RenderFailed
from shared.jobs.leases import Claim

_MARKER = re.compile(r"\[simulate (crash|hang|stall|raise|fail) in (ar|dit)\]")


class Fault(StrEnum):
    """A fault that real engines have had. A simulated engine has it on request, for tests."""

    CRASH = "crash"
    HANG = "hang"
    STALL = "stall"
    RAISE = "raise"
    FAIL = "fail"

    @classmethod
    def asked_for(cls, claim: Claim) -> Self | None:
        """Returns the fault that the claim's prompt requests for the claim's stage, or None."""
        return next(
            (cls(what) for what, stage in _MARKER.findall(claim.settings.prompt) if stage == claim.lease.stage), None
        )

    def inject(self) -> None:
        """Makes the simulated engine show this fault:

        - Crash: the process dies with SIGSEGV, as after a bad pointer.
        - Hang: this thread never returns.
        - Raise: the engine's step raises an unexpected error.
        - Fail: this render alone fails with `RenderFailed`.
        - Stall: never called, because the preparation of a stalled render never ends.
        """
        match self:
            case Fault.CRASH:
                os.kill(os.getpid(), signal.SIGSEGV)
            case Fault.HANG:
                threading.Event().wait()
            case Fault.STALL:
                raise AssertionError("a stalled render's preparation never ends, so the render gets no step")
            case Fault.RAISE:
                raise RuntimeError("simulated: the engine's step raised")
            case Fault.FAIL:
                raise RenderFailed("simulated_failure", "the prompt asked for a failure")
