"""How a worker leaves: who ends within the grace period, who goes back at once, and with what."""

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from tests.workers.engine.fakes import FakeStepper, a_claim
from workers.engine.drain import drain
from workers.engine.places import Places
from workers.engine.slots import Slots
from workers.engine.step_times import StepTimes, most_steps
from workers.engine.stepper import Outcome, Unfinished
from workers.engine.thread import EngineThread
from workers.engine.watchdog import Watchdog

WAIT_S = 30.0  # a bound for a hung test, never reached by a passing one
AGES = 10_000_000


@dataclass
class OneAtATime(FakeStepper):
    """As the DiT: only the oldest render is in the step. Each says how many steps it takes."""

    lengths: dict[str, int] = field(default_factory=dict)
    first_steps: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def in_step(self) -> Collection[RenderId]:
        return tuple(self._running)[:1]

    def step(self) -> Sequence[Outcome[str]]:
        self.may_step.wait()
        (render_id,) = self.in_step()
        claim, done = self._running[render_id]
        self._running[render_id] = (claim, done + 1)
        self.first_steps.release()
        if done + 1 < self.lengths[render_id]:
            return ()
        del self._running[render_id]
        return [Outcome(claim, result=claim.settings.prompt)]

    def progress(self) -> dict[RenderId, Progress]:
        return {rid: Progress(done, self.lengths[rid]) for rid, (_, done) in self._running.items()}


class Worker:
    """An engine thread whose outcomes are recorded at once."""

    def __init__(self, stepper: FakeStepper, unfinished: Callable[[RenderId], Unfinished | None] | None = None) -> None:
        self.stepper = stepper
        self.slots = Slots(Places(4), buffer=4)
        self.recorded: list[str] = []
        self.handed_over: dict[RenderId, Unfinished | None] = {}
        self.hand_overs: queue.SimpleQueue[RenderId] = queue.SimpleQueue()
        self.engine = EngineThread(
            stepper,
            self.slots,
            self._record,
            watchdog=Watchdog(patience=20, floor_s=60),
            announce=lambda: None,
            is_device_lost=lambda _: False,
            on_lost=lambda: None,
            unfinished=unfinished or stepper.unfinished,
        )
        self.engine.start()

    def take(self, *names: str) -> None:
        for name in names:
            claim = self.slots.take(lambda name=name: a_claim(name))  # type: ignore[misc] # bound now
            assert claim
            self.engine.submit(claim)

    def drain(self, grace_s: float) -> None:
        drain(self.engine, self.slots, grace_s, self._hand_over)

    def _record(self, outcome: Outcome[str]) -> None:
        self.recorded.append(outcome.claim.render_id)
        self.slots.release(outcome.claim.lease)

    def _hand_over(self, claim: Claim, unfinished: Unfinished | None) -> None:
        self.slots.release(claim.lease)
        self.handed_over[claim.render_id] = unfinished
        self.hand_overs.put(claim.render_id)

    @contextmanager
    def draining(self, grace_s: float) -> Iterator[None]:
        """Drains beside the block, which begins within a step."""
        self.stepper.may_step.clear()
        beside = threading.Thread(target=self.drain, args=(grace_s,))
        beside.start()
        yield
        self.stepper.may_step.set()
        beside.join(WAIT_S)
        assert not beside.is_alive()


def dit(**lengths: int) -> Worker:
    """A worker on whose device every render has had a step."""
    worker = Worker(OneAtATime(lengths=lengths))
    worker.take(*lengths)
    worker.stepper.may_step.set()
    return worker


def until_stepped(worker: Worker, times: int) -> None:
    assert isinstance(worker.stepper, OneAtATime)
    for _ in range(times):
        assert worker.stepper.first_steps.acquire(timeout=WAIT_S)


def test_a_render_that_cannot_end_in_time_is_handed_over_with_what_it_has_come_to() -> None:
    worker = dit(a=AGES)
    until_stepped(worker, 3)
    worker.drain(grace_s=0.5)
    handed = worker.handed_over[RenderId("a")]
    assert handed
    assert handed.num_done >= 3
    assert handed.data == b"a"
    assert worker.stepper.dropped == ["a"]


def test_a_render_that_can_end_in_time_ends_and_is_not_handed_over() -> None:
    worker = dit(a=200)
    until_stepped(worker, 2)
    worker.drain(grace_s=WAIT_S)
    assert worker.recorded == ["a"]
    assert worker.handed_over == {}


def test_a_render_that_has_done_no_step_goes_back_at_once_and_another_ends() -> None:
    worker = dit(a=AGES, b=AGES)
    until_stepped(worker, 2)
    with worker.draining(grace_s=WAIT_S):
        assert worker.hand_overs.get(timeout=WAIT_S) == "b"
        worker.stepper.lengths["a"] = 1  # type: ignore[attr-defined]
    assert worker.recorded == ["a"]
    assert worker.handed_over == {"b": None}


def test_a_step_that_outlasts_the_grace_period_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.engine.drain._LAST_STEP_S", 0.0)
    worker = dit(a=AGES)
    until_stepped(worker, 1)
    worker.stepper.may_step.clear()
    worker.drain(grace_s=0.0)
    worker.stepper.may_step.set()
    assert worker.handed_over == {"a": None}


def test_what_cannot_be_taken_out_goes_back_as_it_came() -> None:
    def broken(render_id: RenderId) -> Unfinished:
        raise ZeroDivisionError

    worker = Worker(OneAtATime(lengths={"a": AGES}), broken)
    worker.take("a")
    worker.stepper.may_step.set()
    until_stepped(worker, 2)
    worker.drain(grace_s=0.5)
    assert worker.handed_over == {"a": None}
    assert worker.stepper.dropped == ["a"]


@pytest.fixture
def times() -> StepTimes:
    return StepTimes()


def progress(**done: int) -> dict[RenderId, Progress]:
    return {RenderId(name): Progress(number, 100) for name, number in done.items()}


def test_a_render_is_timed_by_the_steps_it_was_in(times: StepTimes) -> None:
    a, b = RenderId("a"), RenderId("b")
    times.note([a], 1.0, progress(), progress(a=1, b=0))
    times.note([a], 3.0, progress(a=1, b=0), progress(a=2, b=0))
    assert (times.seconds_a_step(a), times.seconds_a_step(b)) == (2.0, None)
    times.note([b], 5.0, progress(a=2, b=0), progress(b=1))
    assert (times.seconds_a_step(a), times.seconds_a_step(b)) == (None, 5.0)


def test_a_step_of_the_engine_that_did_several_of_a_render_counts_as_several(times: StepTimes) -> None:
    a, b = RenderId("a"), RenderId("b")
    times.note([a, b], 1.0, progress(a=10), progress(a=10, b=0))  # only prepares both
    times.note([a, b], 8.0, progress(a=10, b=0), progress(a=18, b=8))
    assert (times.seconds_a_step(a), times.seconds_a_step(b)) == (1.0, 1.0)
    times.note([a, b], 4.0, progress(a=18, b=8), progress(a=0, b=12))  # a starts over
    assert times.seconds_a_step(a) == pytest.approx(13 / 10)
    assert times.seconds_a_step(b) == 1.0


def test_the_steps_of_renders_that_have_ended_are_the_rest_of_theirs() -> None:
    assert most_steps(progress(a=92, b=0), progress(a=96, b=4, c=0)) == 4
    assert most_steps(progress(a=92, b=0), progress(b=7)) == 7
    assert most_steps(progress(a=92), progress()) == 8
    assert most_steps(progress(), progress()) == 1


def test_the_mean_of_all_steps_stays_until_the_next_step(times: StepTimes) -> None:
    assert times.mean_s == 0.0
    a, b = RenderId("a"), RenderId("b")
    times.note({a}, 1.0, progress(a=0, b=0), progress(a=1, b=0))
    times.note({a, b}, 4.0, progress(a=1, b=0), progress(a=2, b=1))
    assert times.mean_s == pytest.approx(3.0)
    times.note(set(), 0.0, progress(a=2, b=1), progress())
    assert times.mean_s == pytest.approx(3.0)
