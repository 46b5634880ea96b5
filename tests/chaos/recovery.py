"""How long it takes until what a killed worker held can go on, and until work goes on after the store ended."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from shared.errors import GridpressError
from shared.jobs.states import RenderState, Stage
from shared.store.core.connect import Client, translated
from tests.chaos.free_slots import free_stages
from tests.cli.waiting import is_alive

_POLL_S = 0.05
_OBJECT_STORE_START_S = 10.0  # by then a killed one takes objects again
_WAITING = tuple(stage.waiting for stage in Stage)
_UNFINISHED = tuple(state for state in RenderState if not state.is_final)


@dataclass(slots=True)
class _Orphan:
    """A render whose worker was killed. `is_undisturbed`: store, supervisor and upkeep were well all the time.

    `was_seen`: a supervisor saw the worker's process end; else nothing but the end of its lease tells.
    `waits_after_s` counts from the kill; `passed_over_s` is how long it waited while its stage had a free slot.
    """

    render: str
    fence: str
    stage: Stage
    killed_at_s: float
    was_seen: bool
    is_undisturbed: bool
    waits_after_s: float | None = None
    passed_over_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from a worker's SIGKILL, per render that it held; and from the end of the store's process.

    `waiting`: until any free slot may take it. `claimed`: until one did. `with_free_slot`: the same, less the time in
    which every live worker of its stage was busy, draining, frozen or not there. `by_lease`: that of renders whose
    worker's end nobody saw. `disturbed`: claims that waited for something else that was down as well. `store`: from its
    end until the next job ends; `store_and_objects`: where the object store was away, too.
    """

    waiting: tuple[float, ...]
    with_free_slot: tuple[float, ...]
    claimed: tuple[float, ...]
    by_lease: tuple[float, ...]
    disturbed: tuple[float, ...]
    store: tuple[float, ...]
    store_and_objects: tuple[float, ...]


class Recovery:
    """Watches the store while its block runs. Times are of this process's monotonic clock."""

    def __init__(self, store: Callable[[], Client]) -> None:
        self._open_store = store
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._killed: list[tuple[int, float, bool]] = []
        self._disturbed_at_s = self._objects_ended_at_s = float("-inf")
        self._orphans: list[_Orphan] = []
        self._times: dict[str, list[float]] = {each.name: [] for each in fields(Times)}
        self._draining: frozenset[int] = frozenset()
        self._ticked_at_s = time.monotonic()
        self._store_ended: tuple[int, float] | None = None
        self._last_finish_ms: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._client:
            self._client.close()

    def worker_killed(self, pid: int, *, was_seen: bool) -> None:
        with self._lock:
            self._killed.append((pid, time.monotonic(), was_seen))

    def worker_drains(self, pid: int) -> None:
        with self._lock:
            self._draining |= {pid}

    def worker_is_back(self, pid: int) -> None:
        with self._lock:
            self._draining -= {pid}

    def store_ended(self, pid: int) -> None:
        self.disturbed()
        with self._lock:
            self._store_ended, self._last_finish_ms = (pid, time.monotonic()), None

    def objects_ended(self) -> None:
        """The object store was killed, was frozen, or goes on after that."""
        with self._lock:
            self._objects_ended_at_s = time.monotonic()

    def disturbed(self) -> None:
        """Something that every recovery needs is down: what waits now is counted apart.

        So is what was killed before and could not be looked at yet, since the store did not answer.
        """
        with self._lock:
            self._disturbed_at_s = time.monotonic()
            for orphan in self._orphans:
                orphan.is_undisturbed = False

    @property
    def is_pending(self) -> bool:
        with self._lock:
            return bool(self._orphans or self._killed)

    def times(self) -> Times:
        with self._lock:
            return Times(**{name: tuple(values) for name, values in self._times.items()})

    def _run(self) -> None:
        while not self._stop.wait(_POLL_S):
            self._await_end_of_store()
            try:
                with translated():
                    self._tick(self._connected())
            except GridpressError:
                self._client = None  # the store is down, or listens elsewhere after a restart

    def _await_end_of_store(self) -> None:
        """Counts the outage from the moment when the store ends: on a full disk, that is at the next write that does
        not fit.
        """
        with self._lock:
            if self._store_ended and is_alive(self._store_ended[0]):
                self._store_ended = (self._store_ended[0], time.monotonic())

    def _connected(self) -> Client:
        self._client = self._client or self._open_store()
        return self._client

    def _tick(self, client: Client) -> None:
        with self._lock:
            self._find_orphans(client)
            self._find_passed_over(client)
            self._find_claimed(client)
            self._find_resumed(client)

    def _find_orphans(self, client: Client) -> None:
        """What the killed ones held: nothing changes there before their leases end."""
        while self._killed:
            pid, killed_at_s, was_seen = self._killed[0]
            for key in client.scan_iter(f"gridpress:held:*-{pid}-*", count=1000):
                stage = Stage(key.removeprefix("gridpress:held:").partition("-")[0])
                for render in client.smembers(key):
                    fence = client.hget(f"gridpress:render:{render}", "fence")
                    is_undisturbed = killed_at_s > self._disturbed_at_s
                    self._orphans.append(_Orphan(render, str(fence), stage, killed_at_s, was_seen, is_undisturbed))
            self._killed.pop(0)

    def _find_passed_over(self, client: Client) -> None:
        """Adds the time since the last look to all that waited while its stage had a free slot."""
        now_s = time.monotonic()
        elapsed_s, self._ticked_at_s = now_s - self._ticked_at_s, now_s
        waiting = [orphan for orphan in self._orphans if orphan.waits_after_s is not None]
        free = free_stages(client, self._draining) if waiting else frozenset()
        for orphan in waiting:
            if orphan.stage in free:
                orphan.passed_over_s += elapsed_s

    def _find_claimed(self, client: Client) -> None:
        left = []
        for orphan in self._orphans:
            fence, state = client.hmget(f"gridpress:render:{orphan.render}", "fence", "state")
            elapsed_s = time.monotonic() - orphan.killed_at_s
            was_claimed = fence != orphan.fence
            if state in _WAITING or was_claimed:
                self._note_waiting(orphan, elapsed_s)
            if was_claimed:
                self._note_claimed(orphan, elapsed_s)
            elif state in _UNFINISHED:  # one that was cancelled needs no recovery
                left.append(orphan)
        self._orphans = left

    def _note_waiting(self, orphan: _Orphan, elapsed_s: float) -> None:
        if orphan.waits_after_s is not None:
            return
        orphan.waits_after_s = elapsed_s
        if orphan.is_undisturbed and orphan.was_seen:
            self._times["waiting"].append(elapsed_s)

    def _note_claimed(self, orphan: _Orphan, elapsed_s: float) -> None:
        if not orphan.is_undisturbed:
            self._times["disturbed"].append(elapsed_s)
            return
        assert orphan.waits_after_s is not None
        with_free_slot_s = orphan.waits_after_s + orphan.passed_over_s
        if orphan.was_seen:
            self._times["claimed"].append(elapsed_s)
            self._times["with_free_slot"].append(with_free_slot_s)
        else:
            self._times["by_lease"].append(with_free_slot_s)

    def _find_resumed(self, client: Client) -> None:
        """Work goes on once a job has finished under the store's next process."""
        if self._store_ended is None or client.info("server")["process_id"] == self._store_ended[0]:
            return
        newest: Any = client.zrevrange("gridpress:finished", 0, 0, withscores=True)
        finish_ms = newest[0][1] if newest else 0.0
        if self._last_finish_ms is None:
            self._last_finish_ms = finish_ms
        elif finish_ms > self._last_finish_ms:
            ended_at_s = self._store_ended[1]
            had_objects = self._objects_ended_at_s < ended_at_s - _OBJECT_STORE_START_S
            self._times["store" if had_objects else "store_and_objects"].append(time.monotonic() - ended_at_s)
            self._store_ended = None


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of all values do not exceed; None of none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else None
