"""A worker's renders: slots for those that run, a bounded buffer for finished ones, each known by its lease."""

import pytest

from tests.workers.engine.fakes import a_claim
from workers.engine.places import Places
from workers.engine.slots import Slots


def taken(slots: Slots, name: str, fence: int = 1) -> bool:
    return slots.take(lambda: a_claim(name, fence)) is not None


def test_a_full_worker_claims_nothing() -> None:
    slots = Slots(Places(2), buffer=1)
    assert taken(slots, "a")
    assert taken(slots, "b")
    asked: list[str] = []
    assert slots.take(lambda: asked.append("c")) is None  # type: ignore[func-returns-value, arg-type]
    assert asked == []


def test_a_claim_that_finds_nothing_or_fails_gives_its_slot_back() -> None:
    def unreachable() -> None:
        raise ConnectionError

    slots = Slots(Places(1), buffer=1)
    assert slots.take(lambda: None) is None
    with pytest.raises(ConnectionError):
        slots.take(unreachable)  # type: ignore[arg-type]
    assert taken(slots, "a")


def test_a_finished_render_frees_its_slot_and_is_held_until_it_is_recorded() -> None:
    slots = Slots(Places(1), buffer=2)
    assert taken(slots, "a")
    slots.finish(a_claim("a").lease)
    assert taken(slots, "b")
    assert [claim.render_id for claim in slots.held()] == ["a", "b"]
    assert [claim.render_id for claim, _ in slots.running()] == ["b"]
    slots.release(a_claim("a").lease)
    assert [claim.render_id for claim in slots.held()] == ["b"]


def test_a_full_buffer_refuses_claims_until_a_render_is_recorded() -> None:
    slots = Slots(Places(1), buffer=2)
    for name in ("a", "b"):
        assert taken(slots, name)
        slots.finish(a_claim(name).lease)
    assert not taken(slots, "c")
    slots.release(a_claim("a").lease)
    assert taken(slots, "c")


def test_what_happens_under_a_stale_lease_touches_nothing_of_the_newer_one() -> None:
    slots = Slots(Places(1), buffer=2)
    assert taken(slots, "a", fence=1)
    slots.finish(a_claim("a", fence=1).lease)
    assert taken(slots, "a", fence=2)
    slots.finish(a_claim("a", fence=1).lease)
    slots.release(a_claim("a", fence=1).lease)
    assert [(claim.lease.fence, slots.holds(claim.lease)) for claim, _ in slots.running()] == [(2, True)]
    assert not slots.holds(a_claim("a", fence=1).lease)
    assert not taken(slots, "b")


def test_closed_slots_take_nothing() -> None:
    slots = Slots(Places(1), buffer=1)
    slots.close()
    assert not taken(slots, "late")
