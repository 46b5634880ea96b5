"""Claims checks and carries out several at the same time. Sends no requests and reads no pictures itself."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from shared.errors import StoreUnavailable
from shared.process.background import Background
from shared.store.checks.checks import CheckClaim

log = structlog.get_logger()

_PAUSE_S = 1.0  # between two tries while the store is unavailable


class Checking(Protocol):
    """Leases and carries out checks of one kind. Both methods raise `StoreUnavailable`."""

    def claim(self) -> CheckClaim | None: ...

    def carry_out(self, claim: CheckClaim) -> None: ...


class CheckRunner:
    """Claims checks of one kind on one thread and carries them out on up to `slots` other threads.

    It looks for checks every `poll_s` seconds, and at once after each check that it found.
    """

    def __init__(self, name: str, service: Checking, slots: int, poll_s: float) -> None:
        self._service = service
        self._poll_s = poll_s
        self._free = threading.BoundedSemaphore(slots)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix=name)
        self._stopping = threading.Event()
        self._thread = Background(name, self._run, self._stopping.is_set)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stops claiming checks and returns at once. Checks under way continue."""
        self._stopping.set()

    def stop(self) -> None:
        """Stops claiming checks, and waits until the checks under way have ended. Their time limit bounds the wait."""
        self.close()
        self._thread.join()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=self._poll_s):
                continue
            claim, pause_s = self._claim()
            if claim:
                self._pool.submit(self._carry_out, claim)
            else:
                self._free.release()
                self._stopping.wait(pause_s)

    def _claim(self) -> tuple[CheckClaim | None, float]:
        """Returns a leased check, or None and the seconds until the next look."""
        try:
            return self._service.claim(), self._poll_s
        except StoreUnavailable as error:
            log.warning("checks.store_unavailable", error=str(error))
            return None, _PAUSE_S

    def _carry_out(self, claim: CheckClaim) -> None:
        try:
            with bound_contextvars(**claim.log_ids):
                self._service.carry_out(claim)
        except StoreUnavailable as error:
            # The lease ends, and the hook is asked once more with the same message id.
            log.warning("check.not_recorded", error=str(error), **claim.log_ids)
        except Exception:
            log.exception("check.crashed")
        finally:
            self._free.release()
