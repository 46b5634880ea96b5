"""The simulated engine keeps a stepper's promises, and breaks them where a prompt asks for it."""

import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from shared.errors import RenderFailed
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from shared.jobs.spec import Priority
from shared.jobs.states import Stage
from tests.workers.simulate.claims import a_claim
from workers.simulate.stepper import TimedStepper

FOUR_STEPS_S = 0.04


def stepper(duration_s: float = 0.0, group: int = 16) -> TimedStepper[RenderId]:
    return TimedStepper(duration_s, lambda claim: claim.render_id, group=group)


def run(engine: TimedStepper[RenderId], *claims: Claim) -> list[list[RenderId]]:
    """Who left the stage in each step."""
    for claim in claims:
        engine.admit(claim)
    left = []
    while not engine.is_idle:
        left.append([outcome.claim.render_id for outcome in engine.step()])
    return left


def test_without_time_a_render_takes_one_step() -> None:
    assert run(stepper(), a_claim("a")) == [["a"]]


def test_a_group_goes_together() -> None:
    assert run(stepper(FOUR_STEPS_S), a_claim("a"), a_claim("b")) == [[], [], [], ["a", "b"]]


def test_without_a_group_they_go_one_by_one() -> None:
    assert run(stepper(group=1), a_claim("a"), a_claim("b")) == [["a"], ["b"]]


def test_only_the_group_is_in_step() -> None:
    engine = stepper(group=1)
    for name in "ab":
        engine.admit(a_claim(name))
    assert list(engine.in_step()) == ["a"]


def test_a_higher_class_goes_first_and_what_it_kept_waiting_goes_on() -> None:
    engine = stepper(FOUR_STEPS_S, group=1)
    batch = replace(a_claim("batch"), priority=Priority.BATCH)
    engine.admit(batch)
    engine.step()
    engine.admit(replace(a_claim("next"), priority=Priority.BATCH))
    assert run(engine, a_claim("urgent")) == [[], [], [], ["urgent"], [], [], ["batch"], [], [], [], ["next"]]


@pytest.mark.parametrize("stage", Stage)
def test_progress_counts_the_steps_that_were_asked_for(stage: Stage) -> None:
    engine, claim = stepper(FOUR_STEPS_S), a_claim("a", stage=stage)
    asked = claim.num_steps
    assert asked == (50 if stage is Stage.DIT else claim.settings.num_decode_steps)
    engine.admit(claim)
    seen = []
    for _ in range(4):
        seen += engine.progress().values()
        engine.step()
    assert seen == [Progress(asked * quarters // 4, asked) for quarters in range(4)]


def test_a_dropped_render_never_finishes() -> None:
    engine = stepper(FOUR_STEPS_S)
    for name in "ab":
        engine.admit(a_claim(name))
    engine.step()
    engine.drop(RenderId("a"))
    assert run(engine)[-1] == ["b"]


def test_a_render_claimed_again_starts_again() -> None:
    engine = stepper(FOUR_STEPS_S)
    engine.admit(a_claim("a"))
    engine.step()
    engine.admit(a_claim("a"))
    assert engine.progress()[RenderId("a")].done == 0


def test_a_render_can_fail_by_itself() -> None:
    engine = stepper()
    engine.admit(a_claim("a", "[simulate fail in ar]"))
    engine.admit(a_claim("b"))
    ends = {outcome.claim.render_id: outcome.error for outcome in engine.step()}
    assert isinstance(ends[RenderId("a")], RenderFailed)
    assert ends[RenderId("b")] is None


def test_a_fault_waits_for_its_stage() -> None:
    assert run(stepper(), a_claim("a", "[simulate fail in dit]", Stage.AR)) == [["a"]]
    with pytest.raises(RuntimeError, match="simulated"):
        run(stepper(), a_claim("a", "[simulate raise in dit]", Stage.DIT))


def test_a_stalled_render_makes_an_engine_wait_once_nobody_else_is_left() -> None:
    engine = stepper()
    engine.admit(a_claim("a", "[simulate stall in ar]"))
    engine.admit(a_claim("b"))
    assert not engine.is_waiting
    assert [outcome.claim.render_id for outcome in engine.step()] == ["b"]
    assert engine.is_waiting
    assert engine.step() == ()


def test_a_fault_strikes_half_way() -> None:
    engine = stepper(FOUR_STEPS_S)
    engine.admit(a_claim("a", "[simulate raise in ar]"))
    engine.step()
    engine.step()
    with pytest.raises(RuntimeError):
        engine.step()


def test_a_crash_ends_the_process_as_a_bad_pointer_does() -> None:
    code = "from workers.simulate.faults import Fault; Fault.CRASH.inject()"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGSEGV
