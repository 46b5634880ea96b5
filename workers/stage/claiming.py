"""Claims renders whenever the worker has an open place, that is, room for one more render.

This module decides when to claim; `Places` decides which renders the worker can take.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import structlog

from shared.errors import StoreUnavailable
from shared.jobs.leases import Claim, Room, Vacancy
from shared.jobs.spec import Priority
from shared.process.background import Background
from workers.engine.places import Running
from workers.engine.slots import Slots

log = structlog.get_logger()

_LOWEST = tuple(Priority)[-1]
_STEP_TIME_UNKNOWN_S = 0.2  # the pause while the step time of a running render is unknown
_SHORTEST_PAUSE_S = 0.01
_AGAIN_S = 0.25  # the pause between two claims of renders to prepare ahead
_REST_S = 1.0  # the pause after inputs could not be fetched, because the next render's would fail as well
# At most 5 hints are passed on within 2.5 s, so that two full workers do not send a hint back and forth for ever.
_MOST_PASSED = 5
_PASSED_WITHIN_S = 2.5


class LeadTime:
    """Measures the time from the claim of a render until its inputs are fetched. A worker claims its next render that
    long before a running render ends, so that the next render is ready in time.
    """

    _ROOM = 1.5  # safety factor on the longest of the last 16 preparations
    _LEAST_S = 0.5  # added for the preparation inside the engine, which is not measured

    def __init__(self) -> None:
        self._last_s: deque[float] = deque(maxlen=16)

    def note(self, took_s: float) -> None:
        self._last_s.append(took_s)

    @property
    def seconds(self) -> float:
        return self._LEAST_S + self._ROOM * max(tuple(self._last_s), default=0.0)


@dataclass(frozen=True, slots=True)
class ClaimerPorts:
    """The functions that `Claimer` needs.

    - `claim` claims a render for a place (room for one render). It raises `StoreUnavailable`.
    - `begin` starts a claimed render and must not block.
    - `running` returns the renders that occupy places.
    - `pass_on` sends a hint (a Celery message that wakes workers), which another worker can receive.
    """

    claim: Callable[[Vacancy], Claim | None]
    begin: Callable[[Claim], None]
    running: Callable[[], Sequence[Running]]
    pass_on: Callable[[], None]


class Claimer:
    """Claims renders after each hint (a Celery message that wakes workers), when the worker gets room for another
    render, and shortly before a running render ends. It works on a thread of its own, so a hint is handled at once.

    The claimer claims until the worker has no more room or no render waits. It passes on hints that this worker can't
    use, so that other workers receive them. It does so only a few times in a row, because upkeep sends new hints
    anyway.
    """

    def __init__(self, slots: Slots, ports: ClaimerPorts, lead: LeadTime, *, claims_all_sizes: bool = True) -> None:
        """Creates a claimer. Without `claims_all_sizes`, a render may wait that only another worker can claim."""
        self._claims_all_sizes = claims_all_sizes
        self._slots = slots
        self._ports = ports
        self._lead = lead
        self._asks = threading.Lock()  # one claim at a time, because each claim changes the open places
        # For each reason to claim: whether it is a hint. A flag beside an event could lose a hint between two threads.
        self._reasons = SimpleQueue[bool]()
        self._is_stopped = False
        self._ahead_at_s = self._rests_until_s = 0.0
        self._passed_at_s: deque[float] = deque(maxlen=_MOST_PASSED)
        self._thread = Background("asking", self._run, lambda: self._is_stopped)

    def start(self) -> None:
        self.wake()
        self._thread.start()

    def stop(self) -> None:
        """Stops claiming. A claim that is already running is completed."""
        self._is_stopped = True
        self.wake()
        self._thread.join()

    def wake(self) -> None:
        """Makes this claimer try to claim renders, because the worker may have room for one more. Any thread may call
        this method.
        """
        self._reasons.put(False)

    def hint(self) -> None:
        """Makes this claimer try to claim renders, because a hint (a Celery message that wakes workers) says that a
        render may wait.
        """
        self._reasons.put(True)

    def rest(self) -> None:
        """Stops claiming for 1 s, because the inputs of a claimed render could not be fetched."""
        self._rests_until_s = time.monotonic() + _REST_S

    def claim_all(self) -> int:
        """Claims renders until none waits or the worker has no more room. Returns how many renders were claimed."""
        num_found = 0
        with self._asks:
            try:
                while claim := self._claimed():
                    self._ports.begin(claim)
                    num_found += 1
            except StoreUnavailable as error:
                log.warning("claim.failed", error=str(error))
        return num_found

    def _run(self) -> None:
        while not self._is_stopped:
            was_hinted = self._wait(self._pause_s(time.monotonic()))
            if not self.claim_all() and was_hinted:
                self._pass_on(time.monotonic())

    def _wait(self, timeout_s: float | None) -> bool:
        """Waits for a reason to claim, for at most `timeout_s`. Returns whether a hint was among the reasons so far."""
        was_hinted = False
        with suppress(Empty):
            was_hinted = self._reasons.get(timeout=timeout_s)
            while True:
                was_hinted |= self._reasons.get_nowait()
        return was_hinted

    def _claimed(self) -> Claim | None:
        now_s = time.monotonic()
        for place in self._open():
            if place.room is Room.AHEAD:
                if now_s < self._ahead_at_s:
                    continue
                self._ahead_at_s = now_s + _AGAIN_S  # before the claim, in case the store is unreachable
            if claim := self._slots.take(lambda place=place: self._ports.claim(place), place.room):  # type: ignore[misc]
                return claim
        return None

    def _open(self) -> Sequence[Vacancy]:
        if self._slots.is_closed or time.monotonic() < self._rests_until_s:
            return ()
        return self._slots.places.open(self._ports.running(), self._lead.seconds)

    def _pause_s(self, now_s: float) -> float | None:
        """Returns the seconds until this worker should try its next claim. Returns None if the worker can only wait for
        a hint (a Celery message that wakes workers) or for room.
        """
        if now_s < self._rests_until_s:
            return self._rests_until_s - now_s
        running = self._ports.running()
        due_s = self._slots.places.ahead_due_s(running, self._lead.seconds)
        if due_s is not None:
            return max(due_s, self._ahead_at_s - now_s, _SHORTEST_PAUSE_S)
        is_unknown = self._slots.places.ahead and any(each.left_s is None for each in running)
        return _STEP_TIME_UNKNOWN_S if is_unknown else None

    def _pass_on(self, now_s: float) -> None:
        if self._claims_all_sizes and any(place == Vacancy(Room.FREE, _LOWEST) for place in self._open()):
            return  # this worker has a free place for every class but found no render, so no other would find one
        if len(self._passed_at_s) < _MOST_PASSED or now_s - self._passed_at_s[0] > _PASSED_WITHIN_S:
            self._passed_at_s.append(now_s)
            self._ports.pass_on()
