"""Claims checks, or copies into buckets, and carries out several at the same time. Sends no requests itself."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from shared.errors import StoreUnavailable
from shared.process.background import Background
from workers.delivery.slots import Slot, Slots

log = structlog.get_logger()

_PAUSE_S = 1.0  # between two tries while the store is unavailable


class Claimed(Protocol):
    """Something that is leased, such as a check."""

    @property
    def log_ids(self) -> Mapping[str, str | int]: ...


Claim = TypeVar("Claim", bound=Claimed)


class Checking(Protocol[Claim]):
    """Leases and carries out checks of one kind. Both methods raise `StoreUnavailable`."""

    def claim(self) -> Claim | None: ...

    def carry_out(self, claim: Claim) -> None: ...


@dataclass(frozen=True, slots=True)
class _Work:
    """A leased check: the ids for its log lines, and the function that carries it out."""

    log_ids: Mapping[str, str | int]
    carry_out: Callable[[], None]


def _next_work(service: Checking[Claim]) -> _Work | None:
    claim = service.claim()
    return None if claim is None else _Work(claim.log_ids, partial(service.carry_out, claim))


class CheckRunner:
    """Claims checks of one kind on one thread and carries them out on up to `slots` other threads.

    With `spare_slots`, checks that take long move out of the way of others (see `Slots`). It looks for checks every
    `poll_s` seconds, and at once after each check that it found.
    """

    def __init__(
        self,
        name: str,
        service: Checking[Claim],
        slots: int,
        poll_s: float,
        *,
        spare_slots: int = 0,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._next_work: Callable[[], _Work | None] = partial(_next_work, service)
        self._poll_s = poll_s
        self._on_close = on_close
        self._slots = Slots(slots, spare_slots)
        self._pool = ThreadPoolExecutor(slots + spare_slots, thread_name_prefix=name)
        self._stopping = threading.Event()
        self._thread = Background(name, self._run, self._stopping.is_set)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stops claiming checks and returns at once. Checks under way continue."""
        self._stopping.set()
        self._on_close()

    def stop(self) -> None:
        """Stops claiming checks, and waits until the checks under way have ended. Their time limit bounds the wait."""
        self.close()
        self._thread.join()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not (slot := self._slots.acquire(self._poll_s)):
                continue
            try:
                work, pause_s = self._claim()
            except BaseException:  # the thread goes on, and the slot must not be lost
                self._slots.release(slot)
                raise
            if work:
                self._pool.submit(self._carry_out, work, slot)
            else:
                self._slots.release(slot)
                self._stopping.wait(pause_s)

    def _claim(self) -> tuple[_Work | None, float]:
        """Returns a leased check, or None and the seconds until the next look."""
        try:
            return self._next_work(), self._poll_s
        except StoreUnavailable as error:
            log.warning("checks.store_unavailable", kind=self._name, error=str(error))
            return None, _PAUSE_S

    def _carry_out(self, work: _Work, slot: Slot) -> None:
        try:
            with bound_contextvars(**work.log_ids):
                work.carry_out()
        except StoreUnavailable as error:
            # The lease ends, and the work is done once more. A hook is then asked with the same message id.
            log.warning("check.not_recorded", kind=self._name, error=str(error), **work.log_ids)
        except Exception:
            log.exception("check.crashed", kind=self._name)
        finally:
            self._slots.release(slot)
