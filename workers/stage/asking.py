"""Claims renders whenever the worker has a place for one. It owns when to ask; what fits is decided by `Places`."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from shared.errors import StoreUnavailable
from shared.jobs.leases import Claim, Place, Room
from shared.process.background import Background
from workers.engine.places import Running
from workers.engine.slots import Slots

log = structlog.get_logger()

_PACE_UNKNOWN_S = 0.2  # how soon to look again for the time that a render's steps take
_SHORTEST_PAUSE_S = 0.01
_AGAIN_S = 0.25  # after a claim of a render to prepare ahead
_REST_S = 1.0  # after inputs could not be fetched: the next render's could not be, either
_MOST_PASSED = 5  # hints that are passed on within
_PASSED_WITHIN_S = 2.5  # so that two full workers never send one to and fro


class LeadTime:
    """The time from a claim until its inputs are there: how long before the running render ends the next is claimed."""

    _ROOM = 1.5  # times the longest of the last preparations
    _LEAST_S = 0.5  # what an engine prepares itself is not measured

    def __init__(self) -> None:
        self._last_s: deque[float] = deque(maxlen=16)

    def note(self, took_s: float) -> None:
        self._last_s.append(took_s)

    @property
    def seconds(self) -> float:
        return self._LEAST_S + self._ROOM * max(tuple(self._last_s), default=0.0)


@dataclass(frozen=True, slots=True)
class AskingPorts:
    """`claim` raises `StoreUnavailable`. `begin` takes a claim on and must not block. `running` returns the renders
    that take places. `pass_on` sends a hint to another worker, if one could use it.
    """

    claim: Callable[[Place], Claim | None]
    begin: Callable[[Claim], None]
    running: Callable[[], Sequence[Running]]
    pass_on: Callable[[], None]


class Asking:
    """Asks after each hint, whenever a place comes free, and shortly before what runs ends; each time until nothing is
    found.

    So a hint ends at once. One that this worker can't use is passed on, a few in a row at most: upkeep sends others.
    """

    def __init__(self, slots: Slots, ports: AskingPorts, lead: LeadTime) -> None:
        self._slots = slots
        self._ports = ports
        self._lead = lead
        self._asks = threading.Lock()  # one claim at a time: the next one depends on it
        self._is_wanted = threading.Event()
        self._is_hinted = False
        self._is_stopped = False
        self._ahead_at_s = self._rests_until_s = 0.0
        self._passed_at_s: deque[float] = deque(maxlen=_MOST_PASSED)
        self._thread = Background("asking", self._run, lambda: self._is_stopped)

    def start(self) -> None:
        self._is_wanted.set()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the claim under way."""
        self._is_stopped = True
        self._is_wanted.set()
        self._thread.join()

    def wake(self) -> None:
        """A place came free, or may have. Any thread may call it."""
        self._is_wanted.set()

    def hint(self) -> None:
        """Something may wait that an idle worker could take."""
        self._is_hinted = True
        self._is_wanted.set()

    def rest(self) -> None:
        """Asks for nothing for a moment, since what was claimed could not be begun."""
        self._rests_until_s = time.monotonic() + _REST_S

    def ask(self) -> int:
        """Claims until nothing is found or no place is left. Returns how many renders were found."""
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
            self._is_wanted.wait(self._pause_s(time.monotonic()))
            self._is_wanted.clear()
            was_hinted, self._is_hinted = self._is_hinted, False
            if not self.ask() and was_hinted:
                self._pass_on(time.monotonic())

    def _claimed(self) -> Claim | None:
        now_s = time.monotonic()
        for place in self._open():
            if place.room is Room.AHEAD:
                if now_s < self._ahead_at_s:
                    continue
                self._ahead_at_s = now_s + _AGAIN_S  # also where the store is away
            if claim := self._slots.take(lambda place=place: self._ports.claim(place), place.room):  # type: ignore[misc]
                return claim
        return None

    def _open(self) -> Sequence[Place]:
        if self._slots.is_closed or time.monotonic() < self._rests_until_s:
            return ()
        return self._slots.places.open(self._ports.running(), self._lead.seconds)

    def _pause_s(self, now_s: float) -> float | None:
        """Until a rest is over, or until the next render is to be prepared; None where nothing is due."""
        if now_s < self._rests_until_s:
            return self._rests_until_s - now_s
        running = self._ports.running()
        due_s = self._slots.places.ahead_due_s(running, self._lead.seconds)
        if due_s is not None:
            return max(due_s, self._ahead_at_s - now_s, _SHORTEST_PAUSE_S)
        is_unknown = self._slots.places.ahead and any(each.left_s is None for each in running)
        return _PACE_UNKNOWN_S if is_unknown else None

    def _pass_on(self, now_s: float) -> None:
        if any(place.room is Room.FREE for place in self._open()):
            return  # it was for this worker, and nothing is left
        if len(self._passed_at_s) < _MOST_PASSED or now_s - self._passed_at_s[0] > _PASSED_WITHIN_S:
            self._passed_at_s.append(now_s)
            self._ports.pass_on()
