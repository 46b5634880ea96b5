"""Outcomes are written once; while a store is away the write, not its preparation, is repeated."""

import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.errors import LeaseLost, ObjectStoreUnavailable, RenderFailed, StoreUnavailable
from shared.ids import WorkerId
from shared.jobs.leases import Claim, Lease
from tests.workers.engine.fakes import a_claim
from workers.engine.stepper import Outcome
from workers.stage import recorder as recorder_module
from workers.stage.attempts import Attempts
from workers.stage.recorder import Recorder, Write

WAIT_S = 30.0


@dataclass
class FakeLeases:
    calls: list[tuple[str, Lease]] = field(default_factory=list)

    def hand_back(self, lease: Lease) -> None:
        self.calls.append(("handed back", lease))

    def fail(self, lease: Lease, error: Any) -> None:
        self.calls.append((error["code"], lease))


class Harness:
    def __init__(self, write: Callable[[], None] = lambda: None) -> None:
        self.leases = FakeLeases()
        self.num_prepared = 0
        self.is_held = True
        self.recorded: queue.Queue[Lease] = queue.Queue()
        self._write = write
        self.recorder: Recorder[str] = Recorder(
            self.leases,  # type: ignore[arg-type]
            Attempts(WorkerId("worker")),
            self.save,
            is_held=lambda _: self.is_held,
            on_recorded=self.recorded.put,
            num_threads=2,
        )

    def save(self, claim: Claim, result: str, device_s: float) -> Write:
        self.num_prepared += 1
        return self._write

    def record(self, **outcome: Any) -> Lease:
        self.recorder.submit(Outcome(a_claim("kite"), **outcome))
        return self.recorded.get(timeout=WAIT_S)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_FIRST_DELAY_S", 0.001)


def failing(*errors: Exception) -> Callable[[], None]:
    left = list(errors)

    def write() -> None:
        if left:
            raise left.pop(0)

    return write


def test_a_write_is_repeated_until_the_stores_are_back_and_prepared_once() -> None:
    harness = Harness(failing(ObjectStoreUnavailable("away"), StoreUnavailable("away"), ObjectStoreUnavailable("away")))
    assert harness.record(result="picture") == a_claim("kite").lease
    assert harness.num_prepared == 1
    harness.recorder.close()


def test_a_result_under_a_lost_lease_is_given_up_and_its_render_let_go() -> None:
    harness = Harness(failing(LeaseLost("theirs")))
    assert harness.record(result="picture") == a_claim("kite").lease
    assert harness.leases.calls == []
    harness.recorder.close()


def test_a_result_that_can_never_be_written_fails_its_render_by_name() -> None:
    harness = Harness(failing(ZeroDivisionError()))
    lease = harness.record(result="picture")
    assert harness.leases.calls == [("not_written", lease)]
    harness.recorder.close()


def test_a_result_that_can_not_be_made_fails_its_render_with_its_own_reason() -> None:
    harness = Harness(failing(RenderFailed("mark_not_drawn", "the font lacks letters")))
    lease = harness.record(result="picture")
    assert harness.leases.calls == [("mark_not_drawn", lease)]
    harness.recorder.close()


def test_a_result_that_waits_for_a_store_is_given_up_with_its_lease() -> None:
    """A cancelled picture must not take up room until the object store is back."""

    def away() -> None:
        harness.is_held = False
        raise ObjectStoreUnavailable("away")

    harness = Harness(away)
    assert harness.record(result="picture") == a_claim("kite").lease
    harness.recorder.close()


def test_a_failure_is_recorded_by_name_and_a_passing_one_handed_back() -> None:
    harness = Harness()
    harness.record(error=RenderFailed("nan_latents", "not numbers"))
    harness.record(error=ObjectStoreUnavailable("away"))
    lease = a_claim("kite").lease
    assert harness.leases.calls == [("nan_latents", lease), ("handed back", lease)]
    harness.recorder.close()


def test_one_that_waits_for_a_store_holds_up_nobody_and_is_left_at_the_end() -> None:
    def away() -> None:
        raise ObjectStoreUnavailable("away")

    harness = Harness(away)
    harness.recorder.submit(Outcome(a_claim("stuck"), result="picture"))
    assert harness.record(error=RenderFailed("nan_latents", "not numbers")).render_id == "kite"
    harness.recorder.close()
    assert harness.recorded.get(timeout=WAIT_S).render_id == "stuck"
