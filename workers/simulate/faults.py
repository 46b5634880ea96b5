"""What a prompt can ask a simulated stage to do wrong: `[simulate crash in dit]`. For tests of everything around it."""

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
    """Ends of a render that real engines have come to."""

    CRASH = "crash"
    HANG = "hang"
    STALL = "stall"
    RAISE = "raise"
    FAIL = "fail"

    @classmethod
    def asked_for(cls, claim: Claim) -> Self | None:
        """What the prompt asks of the claim's stage."""
        return next(
            (cls(what) for what, stage in _MARKER.findall(claim.settings.prompt) if stage == claim.lease.stage), None
        )

    def strike(self) -> None:
        """Crash: the process dies as of a bad pointer. Hang: this thread never returns. Raise: the engine breaks its
        promise. Fail: `RenderFailed`, this render's own business.
        """
        match self:
            case Fault.CRASH:
                os.kill(os.getpid(), signal.SIGSEGV)
            case Fault.HANG:
                threading.Event().wait()
            case Fault.STALL:
                raise AssertionError("a render whose preparation never ends comes to no step")
            case Fault.RAISE:
                raise RuntimeError("simulated: the engine's step raised")
            case Fault.FAIL:
                raise RenderFailed("simulated_failure", "the prompt asked for a failure")
