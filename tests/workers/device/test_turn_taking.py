"""Two engines on one device: never at the same time, neither forgotten, and waiting is no hang."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from shared.errors import RenderFailed
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from shared.jobs.spec import Priority
from tests.workers.engine.fakes import a_claim
from workers.device import turn_taking as shared_device
from workers.device.lock import DeviceLock
from workers.device.turn_taking import SharedDevice, one_turn
from workers.engine.device_turns import TurnRules
from workers.engine.stepper import Outcome

AT_ONCE = TurnRules(move_s=0.0, interactive_cycle_s=0.0)  # between any two steps
WAIT_S = 30.0  # a bound for a hung test, never reached by a passing one


@dataclass
class Device:
    """What all engines of a test compute on; it notices company."""

    users: set[str] = field(default_factory=set)
    turns: list[str] = field(default_factory=list)

    def enter(self, name: str) -> None:
        assert not self.users, f"{name} computes while {self.users} does"
        self.users.add(name)
        if self.turns[-1:] != [name]:
            self.turns.append(name)

    def leave(self, name: str) -> None:
        self.users.remove(name)


@dataclass
class Engine:
    """Every render takes `num_steps` steps; a render called `bad` is refused, and `broken` breaks its admission."""

    name: str
    device: Device
    num_steps: int = 1
    left: dict[RenderId, tuple[Claim, int]] = field(default_factory=dict)
    in_midst: Callable[[], None] = lambda: None

    def admit(self, claim: Claim) -> None:
        self.device.enter(self.name)
        self.device.leave(self.name)
        if claim.render_id == "bad":
            raise RenderFailed("too_large", "can never fit")
        if claim.render_id == "broken":
            raise ZeroDivisionError
        self.left[claim.render_id] = (claim, self.num_steps)

    def in_step(self) -> Collection[RenderId]:
        return set(self.left)

    def step(self) -> Sequence[Outcome[str]]:
        self.device.enter(self.name)
        self.in_midst()
        self.left = {render_id: (claim, steps - 1) for render_id, (claim, steps) in self.left.items()}
        done = [claim for claim, steps in self.left.values() if not steps]
        for claim in done:
            del self.left[claim.render_id]
        self.device.leave(self.name)
        return [Outcome(claim, result=self.name) for claim in done]

    def drop(self, render_id: RenderId) -> None:
        self.left.pop(render_id, None)

    def progress(self) -> Mapping[RenderId, Progress]:
        return {
            render_id: Progress(self.num_steps - steps, self.num_steps) for render_id, (_, steps) in self.left.items()
        }

    @property
    def is_waiting(self) -> bool:
        return False

    @property
    def is_idle(self) -> bool:
        return not self.left


@dataclass
class Weights:
    """Where one engine's weights are; two engines' never fit at once."""

    device: Device
    is_there: bool = False
    others: "list[Weights]" = field(default_factory=list)

    def park(self) -> None:
        self.is_there = False

    def unpark(self) -> None:
        assert not any(other.is_there for other in self.others)
        self.is_there = True


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_device, "_WAIT_S", 0.0)


class Pair:
    """Two engines that share a device, and their locks."""

    def __init__(self, folder: Path, rules: TurnRules, num_steps: int = 3) -> None:
        self.device = Device()
        self.weights = [Weights(self.device), Weights(self.device)]
        for one, other in (self.weights, self.weights[::-1]):
            one.others.append(other)
        self.locks = [DeviceLock(folder, "gpu"), DeviceLock(folder, "gpu")]
        self.engines = [Engine(name, self.device, num_steps) for name in ("ar", "dit")]
        self.shared = [
            SharedDevice(engine, lock, weights, is_device_lost=lambda _: False, rules=rules)
            for engine, lock, weights in zip(self.engines, self.locks, self.weights, strict=True)
        ]


def step(shared: SharedDevice[str]) -> tuple[Collection[RenderId], Sequence[Outcome[str]]]:
    """As the engine thread does it."""
    return shared.in_step(), shared.step()


def test_a_render_comes_out_as_it_went_in(tmp_path: Path) -> None:
    ar = Pair(tmp_path, rules=AT_ONCE, num_steps=1).shared[0]
    ar.admit(a_claim("kite"))
    members, (outcome,) = step(ar)
    assert set(members) == {"kite"}
    assert outcome.result == "ar"
    assert ar.is_idle


def test_without_the_device_nothing_is_computed_and_nobody_is_suspected(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=TurnRules(move_s=1e9))
    ar, dit = pair.shared
    ar.admit(a_claim("a"))
    dit.admit(a_claim("d"))
    step(ar)
    assert step(dit) == ((), ())
    assert dit.progress() == {"d": Progress(0, 0)}
    assert pair.engines[1].left == {}


def test_the_device_is_given_up_when_the_turn_is_over_and_somebody_waits(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=AT_ONCE)
    for shared, name in zip(pair.shared, ("a", "d"), strict=True):
        shared.admit(a_claim(name))
    while not all(shared.is_idle for shared in pair.shared):
        for shared in pair.shared:
            step(shared)
    assert pair.device.turns == ["ar", "dit"] * 2  # nobody waits yet after the first step


def test_a_turn_that_has_just_begun_goes_on_though_somebody_waits(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=TurnRules(move_s=1e9))
    for shared, name in zip(pair.shared, ("a", "d"), strict=True):
        shared.admit(a_claim(name))
    while not all(shared.is_idle for shared in pair.shared):
        for shared in pair.shared:
            step(shared)
    assert pair.device.turns == ["ar", "dit"]


def test_nobody_who_is_alone_parks_between_steps(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=AT_ONCE)
    pair.shared[0].admit(a_claim("a"))
    step(pair.shared[0])
    assert pair.weights[0].is_there


def test_an_engine_that_runs_dry_parks_and_gives_the_device_up(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=TurnRules(move_s=1e9))
    for name, finish in (("finished", lambda: [step(pair.shared[0]) for _ in range(3)]), ("dropped", lambda: None)):
        pair.shared[0].admit(a_claim(name))
        step(pair.shared[0])
        finish()
        pair.shared[0].drop(RenderId(name))
        assert not pair.weights[0].is_there
        assert not pair.locks[0].is_held


def test_who_has_nothing_to_do_any_more_leaves_the_line(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=AT_ONCE)
    ar, dit = pair.shared
    ar.admit(a_claim("a"))
    dit.admit(a_claim("d"))
    step(ar)
    step(dit)
    pair.shared[1].drop(RenderId("d"))
    for _ in range(2):
        step(ar)
    assert pair.device.turns == ["ar"]
    assert ar.is_idle


def test_a_render_that_can_never_run_fails_alone(tmp_path: Path) -> None:
    ar = Pair(tmp_path, rules=AT_ONCE, num_steps=1).shared[0]
    ar.admit(a_claim("bad"))
    ar.admit(a_claim("kite"))
    (failed,), (finished,) = step(ar)[1], step(ar)[1]
    assert (failed.claim.render_id, getattr(failed.error, "reason", "")) == ("bad", "too_large")
    assert finished.result == "ar"


def test_a_render_whose_admission_crashes_fails_by_name_and_alone(tmp_path: Path) -> None:
    ar = Pair(tmp_path, rules=AT_ONCE, num_steps=1).shared[0]
    ar.admit(a_claim("broken"))
    ar.admit(a_claim("kite"))
    (failed,), (finished,) = step(ar)[1], step(ar)[1]
    assert (failed.claim.render_id, getattr(failed.error, "reason", "")) == ("broken", "engine_error")
    assert finished.result == "ar"


def test_an_outcome_of_an_admission_is_not_lost_with_a_step_that_raises(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=AT_ONCE)
    ar = pair.shared[0]

    def fail() -> None:
        pair.device.leave("ar")
        raise RuntimeError("the device fell over")

    pair.engines[0].in_midst = fail
    ar.admit(a_claim("bad"))
    ar.admit(a_claim("kite"))
    (refused,) = step(ar)[1]
    assert refused.claim.render_id == "bad"
    with pytest.raises(RuntimeError, match="fell over"):
        step(ar)


def test_a_step_that_raises_does_not_keep_the_device(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=AT_ONCE)
    ar, dit = pair.shared

    def fail() -> None:
        pair.device.leave("ar")
        raise RuntimeError("the device fell over")

    pair.engines[0].in_midst = fail
    ar.admit(a_claim("a"))
    dit.admit(a_claim("d"))
    ar.in_step()
    dit.in_step()
    with pytest.raises(RuntimeError, match="fell over"):
        ar.step()
    assert set(dit.in_step()) == {"d"}


def test_two_threads_never_step_at_once_and_both_finish(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=AT_ONCE, num_steps=200)
    failures: list[Exception] = []

    def work(shared: SharedDevice[str], name: str) -> None:
        try:
            shared.admit(a_claim(name))
            while not shared.is_idle:
                step(shared)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=pair_of) for pair_of in zip(pair.shared, ("a", "d"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert failures == []
    assert all(shared.is_idle for shared in pair.shared)
    assert len(pair.device.turns) >= 2


def test_a_model_is_loaded_in_a_turn_of_its_own(tmp_path: Path) -> None:
    ours, theirs = (DeviceLock(tmp_path, "gpu") for _ in range(2))
    with one_turn(ours):
        assert not theirs.try_acquire()
    assert theirs.try_acquire()


def test_a_person_gets_the_device_from_bulk_and_bulk_does_not_get_it_from_a_person(tmp_path: Path) -> None:
    rules = TurnRules(move_s=0.0, interactive_cycle_s=1e9, bulk_cycle_s=1e9)
    person, bulk = a_claim("person"), replace(a_claim("bulk"), priority=Priority.BATCH)
    pair = Pair(tmp_path / "one", rules=rules)
    for shared, claim in zip(pair.shared, (bulk, person), strict=True):
        shared.admit(claim)
    step(pair.shared[0])
    step(pair.shared[1])  # only stands in line
    step(pair.shared[0])
    assert step(pair.shared[1])[0] == {"person"}
    step(pair.shared[0])
    assert pair.device.turns == ["ar", "dit"]
    assert step(pair.shared[1])[0] == {"person"}


def test_a_peer_that_dies_in_line_leaves_the_device_to_its_holder(tmp_path: Path) -> None:
    pair = Pair(tmp_path, rules=AT_ONCE)
    ar, dit = pair.shared
    ar.admit(a_claim("a"))
    dit.admit(a_claim("d"))
    step(ar)
    step(dit)
    pair.locks[1].give_up()  # as the kernel does for the dead
    for _ in range(2):
        step(ar)
    assert pair.device.turns == ["ar"]
    assert ar.is_idle
