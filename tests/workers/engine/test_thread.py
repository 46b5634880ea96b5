"""The engine thread: neighbours, revocation, drain, and the loss of a device. Events instead of sleeps."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from shared.jobs.leases import Claim, Progress, RenderReport
from tests.workers.engine.fakes import BROKEN, CRASHES_IN_ADMISSION, LOST, REFUSED, DeviceLost, FakeStepper, a_claim
from workers.engine.drain import drain
from workers.engine.heartbeat import Heartbeat
from workers.engine.places import Places
from workers.engine.slots import Slots
from workers.engine.stepper import Outcome, Unfinished
from workers.engine.thread import EngineThread
from workers.engine.watchdog import Phase, Watchdog

WAIT_S = 30.0  # a bound for a hung test, never reached by a passing one
FLOOR_S = 60.0
A_WEEK_S = 7 * 24 * 3600.0


class Watched:
    """Passes phases on to the watchdog, and tells when the engine has waited so often."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._waits_s: queue.Queue[float] = queue.Queue()
        self.first_wait_s = float("inf")

    def enter(self, phase: Phase, now_s: float) -> None:
        self._watchdog.enter(phase, now_s)
        if phase is Phase.WAITING:
            self._waits_s.put(now_s)

    def until_waiting(self, times: int) -> None:
        for _ in range(times):
            self.first_wait_s = min(self.first_wait_s, self._waits_s.get(timeout=WAIT_S))


class Harness:
    def __init__(self, slots: int = 2, num_steps: int = 1, on_step: Callable[[float], None] = lambda _: None) -> None:
        self.stepper = FakeStepper(num_steps)
        self.room = threading.Event()
        self.slots = Slots(Places(slots), buffer=2, on_room=self.room.set)
        self.outcomes: queue.Queue[Outcome[str]] = queue.Queue()
        self.announced: queue.Queue[Sequence[RenderReport]] = queue.Queue()
        self.exited = threading.Event()
        self.watchdog = Watchdog(patience=20, floor_s=FLOOR_S)
        self.engine = EngineThread(
            self.stepper,
            self.slots,
            self.outcomes.put,
            watchdog=self.watchdog,
            announce=lambda: self.announced.put(self.engine.held()),
            is_device_lost=lambda error: isinstance(error, DeviceLost),
            on_lost=self.exited.set,
            on_step=on_step,
        )
        self.engine.start()

    def take(self, name: str, fence: int = 1) -> bool:
        claim = self.slots.take(lambda: a_claim(name, fence))
        if claim:
            self.engine.submit(claim)
        return claim is not None

    def next_outcome(self) -> Outcome[str]:
        outcome = self.outcomes.get(timeout=WAIT_S)
        self.slots.release(outcome.claim.lease)
        return outcome

    def reason(self) -> str:
        return getattr(self.next_outcome().error, "reason", "")


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    made.stepper.may_step.set()
    drain(made.engine, made.slots, 0, lambda *_: None)


def test_a_render_comes_out_as_it_went_in(harness: Harness) -> None:
    harness.stepper.may_step.set()
    assert harness.take("kite")
    assert harness.next_outcome().result == "kite"


def test_a_finished_render_is_held_until_it_is_recorded_and_takes_no_slot() -> None:
    harness = Harness(slots=1)
    harness.stepper.may_step.set()
    assert harness.take("a")
    outcome = harness.outcomes.get(timeout=WAIT_S)
    harness.stepper.may_step.clear()
    assert harness.take("b")
    assert [held.lease.render_id for held in harness.engine.held()] == ["a", "b"]
    harness.slots.release(outcome.claim.lease)
    assert [held.lease.render_id for held in harness.engine.held()] == ["b"]
    harness.stepper.may_step.set()
    drain(harness.engine, harness.slots, 0, lambda *_: None)


def test_a_render_that_can_never_run_fails_alone(harness: Harness) -> None:
    harness.stepper.may_step.set()
    assert harness.take(REFUSED)
    assert harness.take("kite")
    ended = {outcome.claim.render_id: outcome for outcome in (harness.next_outcome(), harness.next_outcome())}
    assert ended["kite"].result == "kite"  # type: ignore[index]
    assert getattr(ended[REFUSED].error, "reason", "") == "too_large"  # type: ignore[index]


def test_a_render_whose_admission_crashes_fails_by_name_and_the_engine_goes_on(harness: Harness) -> None:
    harness.stepper.may_step.set()
    assert harness.take(CRASHES_IN_ADMISSION)
    assert harness.reason() == "engine_error"
    assert harness.take("kite")
    assert harness.next_outcome().result == "kite"


def test_a_step_that_raises_fails_its_renders_by_name_and_the_engine_goes_on(harness: Harness) -> None:
    assert harness.take(BROKEN)
    harness.stepper.may_step.set()
    assert harness.reason() == "engine_error"
    assert harness.take("kite")
    assert harness.next_outcome().result == "kite"


def test_a_lost_device_ends_the_process_and_fails_nobody(harness: Harness) -> None:
    assert harness.take(LOST)
    harness.stepper.may_step.set()
    assert harness.exited.wait(WAIT_S)
    assert harness.outcomes.empty()
    assert [held.lease.render_id for held in harness.engine.held()] == [LOST]


def test_a_step_that_never_returns_ends_the_process_by_the_heartbeat(harness: Harness) -> None:
    heartbeat = Heartbeat(
        lambda held: {each.lease.render_id: True for each in held},
        held=harness.engine.held,
        revoke=harness.engine.revoke,
        is_alive=harness.watchdog.is_satisfied,
        on_hang=harness.exited.set,
        interval_s=1,
    )
    heartbeat.tick(A_WEEK_S)
    assert not harness.exited.is_set()
    assert harness.take("hangs")
    harness.stepper.entered.get(timeout=WAIT_S)
    heartbeat.tick(A_WEEK_S * 1e6)
    assert harness.exited.is_set()


def test_an_engine_that_only_waits_step_after_step_ends_the_process_by_the_heartbeat(harness: Harness) -> None:
    watched = Watched(harness.watchdog)
    harness.engine._watchdog = watched  # type: ignore[assignment]
    harness.stepper.is_waiting = True
    harness.stepper.may_step.set()
    assert harness.take("its inputs never come")
    watched.until_waiting(3)
    assert harness.watchdog.is_satisfied(time.monotonic())
    assert not harness.watchdog.is_satisfied(watched.first_wait_s + FLOOR_S + 1)
    assert not harness.engine._has_stepped, "the first step that computes may still have to compile"


def test_a_step_that_ends_after_the_drain_is_no_loss_of_the_device(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_closed(outcome: Outcome[str]) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    monkeypatch.setattr("workers.engine.drain._LAST_STEP_S", 0)
    harness.engine._on_outcome = is_closed
    assert harness.take("late")
    harness.stepper.entered.get(timeout=WAIT_S)
    assert drained(harness, 0) == ["late"]
    assert harness.engine.is_left_behind
    harness.stepper.may_step.set()
    harness.engine._thread.join(WAIT_S)
    assert not harness.engine.is_left_behind
    assert not harness.exited.is_set()


def test_a_revoked_render_is_dropped_before_the_next_step_and_frees_its_slot() -> None:
    harness = Harness(slots=1, num_steps=10_000_000)
    assert harness.take("cancelled")
    harness.stepper.may_step.set()
    harness.engine.revoke([a_claim("cancelled").lease])
    harness.stepper.num_steps = 1
    assert harness.room.wait(WAIT_S)
    assert harness.take("next")
    assert harness.next_outcome().result == "next"
    assert harness.stepper.dropped == ["cancelled"]
    drain(harness.engine, harness.slots, 0, lambda *_: None)


def test_what_a_stale_lease_was_told_leaves_the_newer_claim_of_its_render_alone(harness: Harness) -> None:
    assert harness.take("a", fence=1)
    harness.stepper.entered.get(timeout=WAIT_S)
    assert harness.take("a", fence=2)
    harness.engine.revoke([a_claim("a", fence=1).lease])
    harness.stepper.may_step.set()
    while harness.outcomes.get(timeout=WAIT_S).claim.lease.fence != 2:
        pass
    assert harness.stepper.dropped == []
    harness.slots.release(a_claim("a", fence=1).lease)
    assert [held.lease.fence for held in harness.engine.held()] == [2]


def test_a_claim_that_was_lost_before_it_came_to_the_engine_is_not_begun(harness: Harness) -> None:
    lost = harness.slots.take(lambda: a_claim("lost"))
    assert lost
    harness.engine.revoke([lost.lease])
    while harness.slots.holds(lost.lease):
        pass
    harness.engine.submit(lost)
    harness.stepper.may_step.set()
    assert harness.take("kite")
    assert harness.next_outcome().claim.render_id == "kite"


def test_held_renders_carry_their_progress() -> None:
    harness = Harness(num_steps=3)
    assert harness.take("a")
    assert [(held.lease.render_id, held.progress) for held in harness.engine.held()] == [("a", Progress(0, 0))]
    harness.stepper.may_step.set()
    harness.next_outcome()
    assert harness.engine.held() == []
    drain(harness.engine, harness.slots, 0, lambda *_: None)


def test_a_claim_alone_says_who_is_in_the_step_so_nothing_is_told(harness: Harness) -> None:
    assert harness.take("a")
    assert harness.stepper.entered.get(timeout=WAIT_S) == ("a",)
    assert harness.announced.empty()


def in_step_as_told(held: Sequence[RenderReport]) -> set[str]:
    return {str(each.lease.render_id) for each in held if each.in_step}


def test_a_render_that_was_in_no_step_yet_stays_a_suspect_as_its_claim_says(harness: Harness) -> None:
    assert harness.take("a")
    harness.stepper.entered.get(timeout=WAIT_S)
    assert harness.take("b")
    assert in_step_as_told(harness.engine.held()) == {"a", "b"}
    harness.stepper.may_step.set()
    assert harness.stepper.entered.get(timeout=WAIT_S) == ("b",)


def test_a_render_that_was_told_to_be_out_of_the_step_is_announced_when_it_comes_in_again() -> None:
    harness = Harness(num_steps=3)
    harness.stepper.only = "a"
    assert harness.take("a")
    harness.stepper.entered.get(timeout=WAIT_S)
    harness.stepper.only = "b"
    assert harness.take("b")
    harness.stepper.may_step.set()
    while harness.stepper.entered.get(timeout=WAIT_S) != ("b",):
        pass
    while in_step_as_told(harness.announced.get(timeout=WAIT_S)) != {"b"}:
        pass
    harness.stepper.only = None
    while not {"a"} <= in_step_as_told(harness.announced.get(timeout=WAIT_S)):
        pass
    drain(harness.engine, harness.slots, 0, lambda *_: None)


def drained(harness: Harness, grace_s: float) -> list[str]:
    handed_back: list[str] = []

    def hand_over(claim: Claim, _: Unfinished | None) -> None:
        harness.slots.release(claim.lease)
        handed_back.append(claim.render_id)

    drain(harness.engine, harness.slots, grace_s, hand_over)
    return handed_back


def test_a_drain_lets_running_work_finish_and_takes_nothing_new() -> None:
    harness = Harness(slots=1)
    harness.stepper.may_step.set()
    assert harness.take("last")
    assert harness.next_outcome().result == "last"
    assert drained(harness, WAIT_S) == []
    assert not harness.take("late")


def test_a_drain_waits_for_what_is_being_recorded() -> None:
    harness = Harness(slots=1)
    harness.stepper.may_step.set()
    assert harness.take("stored late")
    outcome = harness.outcomes.get(timeout=WAIT_S)
    recorder = threading.Timer(0.05, lambda: harness.slots.release(outcome.claim.lease))
    recorder.start()
    assert drained(harness, WAIT_S) == []
    recorder.join()


def test_a_drain_hands_back_what_did_not_finish_in_time() -> None:
    harness = Harness(slots=1)
    assert harness.take("held up")
    assert drained(harness, 0.05) == ["held up"]
    harness.stepper.may_step.set()


def test_a_drain_hands_back_at_once_what_is_too_slow_to_finish() -> None:
    harness = Harness(slots=1, num_steps=10**12)
    assert harness.take("endless")
    harness.stepper.may_step.set()
    while not any(held.progress.done for held in harness.engine.held()):
        pass
    assert drained(harness, WAIT_S) == ["endless"]
    assert harness.stepper.dropped == ["endless"]


def test_the_time_of_a_step_is_divided_among_its_renders() -> None:
    steps_s: list[float] = []
    harness = Harness(num_steps=2, on_step=steps_s.append)
    harness.stepper.may_step.set()
    assert harness.take("alone")
    alone = harness.next_outcome()
    assert alone.device_s == pytest.approx(sum(steps_s))
    harness.stepper.may_step.clear()
    assert harness.take("one")
    assert harness.take("other")
    harness.stepper.may_step.set()
    both = [harness.next_outcome().device_s for _ in range(2)]
    assert alone.device_s + sum(both) == pytest.approx(sum(steps_s))
    drain(harness.engine, harness.slots, 0, lambda *_: None)
