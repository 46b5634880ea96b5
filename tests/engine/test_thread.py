"""The engine thread: slots, neighbours, revocation and drain. Events instead of sleeps."""

import queue
from collections.abc import Iterator

import pytest

from shared.jobs import Progress
from tests.engine.fakes import BROKEN, REFUSED, FakeStepper, a_claim
from workers.engine.stepper import Outcome
from workers.engine.thread import EngineThread

WAIT_S = 30.0  # a bound for a hung test, never reached by a passing one


class Harness:
    def __init__(self, slots: int = 2, num_steps: int = 1) -> None:
        self.stepper = FakeStepper(num_steps)
        self.outcomes: queue.Queue[Outcome[str]] = queue.Queue()
        self.engine = EngineThread(self.stepper, slots, self.outcomes.put)
        self.engine.start()

    def take(self, name: str, wait_s: float = 0.0) -> bool:
        return self.engine.take(lambda: a_claim(name), wait_s)

    def next_outcome(self) -> Outcome[str]:
        outcome = self.outcomes.get(timeout=WAIT_S)
        self.engine.release(outcome.claim.render_id)
        return outcome


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    made.stepper.may_step.set()
    made.engine.drain(0, lambda _: None)


def test_a_render_comes_out_as_it_went_in(harness: Harness) -> None:
    harness.stepper.may_step.set()
    assert harness.take("kite")
    assert harness.next_outcome().result == "kite"


def test_a_full_engine_claims_nothing(harness: Harness) -> None:
    assert harness.take("a")
    assert harness.take("b")
    claims: list[str] = []
    assert not harness.engine.take(lambda: claims.append("c"), wait_s=0)  # type: ignore[func-returns-value, arg-type]
    assert claims == []


def test_a_slot_is_free_again_only_when_the_outcome_is_recorded(harness: Harness) -> None:
    harness.stepper.may_step.set()
    assert harness.take("a")
    assert harness.take("b")
    outcome = harness.outcomes.get(timeout=WAIT_S)
    assert not harness.take("c")
    harness.engine.release(outcome.claim.render_id)
    assert harness.take("c")


def test_a_claim_that_finds_nothing_or_fails_gives_its_slot_back(harness: Harness) -> None:
    def unreachable() -> None:
        raise ConnectionError

    for _ in range(3):
        assert not harness.engine.take(lambda: None, wait_s=0)
        with pytest.raises(ConnectionError):
            harness.engine.take(unreachable, wait_s=0)  # type: ignore[arg-type]
    assert harness.take("a")
    assert harness.take("b")


def test_a_render_that_can_never_run_fails_alone(harness: Harness) -> None:
    harness.stepper.may_step.set()
    assert harness.take(REFUSED)
    assert harness.take("kite")
    ended = {outcome.claim.render_id: outcome for outcome in (harness.next_outcome(), harness.next_outcome())}
    assert ended["kite"].result == "kite"  # type: ignore[index]
    assert getattr(ended[REFUSED].error, "reason", "") == "too_large"  # type: ignore[index]


def test_a_step_that_raises_fails_its_renders_by_name_and_the_engine_goes_on(harness: Harness) -> None:
    assert harness.take(BROKEN)
    harness.stepper.may_step.set()
    assert getattr(harness.next_outcome().error, "reason", "") == "engine_error"
    assert harness.take("kite")
    assert harness.next_outcome().result == "kite"


def test_a_revoked_render_is_dropped_before_the_next_step_and_frees_its_slot() -> None:
    harness = Harness(slots=1, num_steps=10_000_000)
    assert harness.take("cancelled")
    harness.stepper.may_step.set()
    harness.engine.revoke([a_claim("cancelled").render_id])
    harness.stepper.num_steps = 1
    assert harness.take("next", wait_s=WAIT_S)
    assert harness.next_outcome().result == "next"
    assert harness.stepper.dropped == ["cancelled"]
    harness.engine.drain(0, lambda _: None)


def test_held_renders_carry_their_progress() -> None:
    harness = Harness(num_steps=3)
    assert harness.take("a")
    assert [(lease.render_id, progress) for lease, progress in harness.engine.held()] == [("a", Progress(0, 0))]
    harness.stepper.may_step.set()
    harness.next_outcome()
    assert harness.engine.held() == []
    harness.engine.drain(0, lambda _: None)


def drained(harness: Harness, grace_s: float) -> list[str]:
    handed_back: list[str] = []
    harness.engine.drain(grace_s, lambda claim: handed_back.append(claim.render_id))
    return handed_back


def test_a_drain_lets_running_work_finish_and_takes_nothing_new() -> None:
    harness = Harness(slots=1)
    harness.stepper.may_step.set()
    assert harness.take("last")
    assert harness.next_outcome().result == "last"
    assert drained(harness, WAIT_S) == []
    assert not harness.take("late")


def test_a_drain_hands_back_what_did_not_finish_in_time() -> None:
    harness = Harness(slots=1)
    assert harness.take("held up")
    assert drained(harness, 0.05) == ["held up"]
    harness.stepper.may_step.set()


def test_a_drain_hands_back_at_once_what_is_too_slow_to_finish() -> None:
    harness = Harness(slots=1, num_steps=10**12)
    assert harness.take("endless")
    harness.stepper.may_step.set()
    while not any(progress.done for _, progress in harness.engine.held()):
        pass
    assert drained(harness, WAIT_S) == ["endless"]
    assert harness.stepper.dropped == ["endless"]
