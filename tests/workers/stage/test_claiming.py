"""When a worker asks for renders, and when it does not: no network, no clock of its own."""

from dataclasses import dataclass, field

import pytest

from shared.errors import StoreUnavailable
from shared.jobs.leases import Claim, Room, Vacancy
from shared.jobs.spec import Priority
from tests.workers.engine.fakes import a_claim
from workers.engine.places import Places, Running, rows, turns
from workers.engine.slots import Slots
from workers.stage.claiming import Claimer, ClaimerPorts, LeadTime


@dataclass
class Desk:
    """A worker without an engine. `waiting` are the names of renders that its claims find."""

    places: Places = field(default_factory=lambda: Places(2))
    waiting: list[str] = field(default_factory=list)
    left_s: float | None = 60.0
    rank: int = Priority.INTERACTIVE.rank
    is_away: bool = False
    asked: list[Vacancy] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    num_passed: int = 0

    def __post_init__(self) -> None:
        self.slots = Slots(self.places, buffer=8)
        self.asking = Claimer(self.slots, ClaimerPorts(self.claim, self.begin, self.running, self.pass_on), LeadTime())

    def claim(self, place: Vacancy) -> Claim | None:
        self.asked.append(place)
        if self.is_away:
            raise StoreUnavailable("gone")
        return a_claim(self.waiting.pop(0)) if self.waiting else None

    def begin(self, claim: Claim) -> None:
        self.begun.append(claim.render_id)

    def running(self) -> list[Running]:
        return [Running(self.rank, self.left_s) for _ in self.slots.running()]

    def pass_on(self) -> None:
        self.num_passed += 1


def test_it_claims_until_nothing_is_found_or_no_place_is_left() -> None:
    desk = Desk(waiting=["a"])
    assert desk.asking.claim_all() == 1
    assert len(desk.asked) == 2
    desk.waiting = ["b", "c"]
    assert desk.asking.claim_all() == 1
    assert (desk.begun, desk.waiting) == (["a", "b"], ["c"])


def test_a_full_worker_does_not_ask_the_store() -> None:
    desk = Desk(waiting=["a", "b"])
    desk.asking.claim_all()
    desk.asked.clear()
    assert desk.asking.claim_all() == 0
    assert desk.asked == []


def test_a_store_that_is_away_is_asked_once() -> None:
    desk = Desk(is_away=True)
    assert desk.asking.claim_all() == 0
    assert len(desk.asked) == 1


def test_while_it_may_prepare_ahead_it_does_not_ask_again_and_again() -> None:
    desk = Desk(places=turns(2), waiting=["a"], left_s=0.1)
    for _ in range(20):
        desk.asking.claim_all()
    assert [place.room for place in desk.asked] == [Room.FREE, Room.AHEAD]


def test_after_inputs_could_not_be_fetched_it_rests() -> None:
    desk = Desk(waiting=["a"])
    desk.asking.rest()
    assert desk.asking.claim_all() == 0
    assert desk.asked == []


def test_closed_slots_are_asked_for_no_more() -> None:
    desk = Desk(waiting=["a"])
    desk.slots.close()
    assert desk.asking.claim_all() == 0
    assert desk.asked == []


def test_hints_that_it_cannot_use_are_passed_on_a_few_times_and_not_for_ever() -> None:
    desk = Desk(waiting=["a", "b"])
    desk.asking.claim_all()
    for _ in range(20):
        desk.asking._pass_on(now_s=100.0)
    assert desk.num_passed == 5
    desk.asking._pass_on(now_s=103.0)
    assert desk.num_passed == 6


def test_a_hint_for_which_it_has_a_place_is_its_own() -> None:
    desk = Desk()
    desk.asking._pass_on(now_s=100.0)
    assert desk.num_passed == 0


def test_a_hint_for_bulk_is_passed_on_by_a_worker_that_has_but_the_row_for_people() -> None:
    """It asked for people alone, so that it found nothing says nothing about bulk."""
    desk = Desk(places=rows(4), waiting=["a", "b", "c"], rank=Priority.BATCH.rank)
    desk.asking.claim_all()
    assert desk.asked[-1] == Vacancy(Room.FREE, Priority.INTERACTIVE)
    desk.asking._pass_on(now_s=100.0)
    assert desk.num_passed == 1


@pytest.mark.parametrize("reasons", ["h", "hw", "wh", "whw", "hh"])
def test_a_hint_is_not_lost_among_other_reasons_to_claim(reasons: str) -> None:
    desk = Desk()
    for reason in reasons:
        {"h": desk.asking.hint, "w": desk.asking.wake}[reason]()
    assert desk.asking._wait(0.0)
    desk.asking.wake()
    assert not desk.asking._wait(0.0)
    assert not desk.asking._wait(0.0)


def test_preparations_that_took_long_are_begun_earlier() -> None:
    lead = LeadTime()
    at_first_s = lead.seconds
    lead.note(2.0)
    assert lead.seconds == at_first_s + 3.0
