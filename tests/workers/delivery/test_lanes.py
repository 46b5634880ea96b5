"""Who may hold a slot for how long: whatever comes and goes, some are always free again within a moment."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import DEFAULT_TENANT, HolderId
from shared.store.webhooks.deliveries import SOON_S, Delivery, ReceiverClass, Room
from workers.delivery.lanes import BEGIN_S, AttemptSlots

A_DELIVERY = Delivery(
    message_id="evt_1",
    destination="url_1",
    attempt=1,
    tenant=DEFAULT_TENANT,
    event_type="job.failed",
    job_id=None,
    happened_at=datetime(2027, 1, 15, tzinfo=UTC),
    sequence=1,
    data="",
    receiver_class=ReceiverClass.NEW,
    claimed_ms=0,
    holder=HolderId("h"),
)
MANY = 100
STEPS = st.lists(st.tuples(st.sampled_from(ReceiverClass), st.integers(0, 80), st.integers(0, 80)), max_size=30)


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s

    def all_have_begun(self) -> None:
        self.now_s += BEGIN_S


def some(num: int, receiver_class: ReceiverClass, *, since: int = 0) -> list[Delivery]:
    return [replace(A_DELIVERY, message_id=f"evt_{since + n}", receiver_class=receiver_class) for n in range(num)]


def allowed(room: Room, receiver_class: ReceiverClass) -> int:
    """Returns how many deliveries to receivers of this class a claim may lease at most."""
    limits = (room.total, room.unproven, room.slow, room.failing)
    return min(limits[: list(ReceiverClass).index(receiver_class) + 1])


@given(st.integers(1, 200), STEPS)
def test_at_most_half_of_the_slots_are_ever_held_for_a_whole_time_out(
    slots: int, steps: list[tuple[ReceiverClass, int, int]]
) -> None:
    clock, num_seen = Clock(), 0
    lanes, limit_s_of = AttemptSlots(slots, clock), dict[Delivery, float]()
    for receiver_class, num_wanted, num_ending in steps:
        clock.all_have_begun()
        coming = some(min(num_wanted, allowed(lanes.room(), receiver_class)), receiver_class, since=num_seen)
        num_seen += len(coming)
        limit_s_of.update(zip(coming, lanes.admit(coming), strict=True))
        patient = [each for each in lanes.under_way if limit_s_of[each] == math.inf]
        assert len(patient) <= max(1, slots // 2)
        assert len(lanes.under_way) <= slots
        assert sum(each.receiver_class is ReceiverClass.FAILING for each in patient) <= max(1, slots // 4)
        for each in lanes.under_way[:num_ending]:
            lanes.leave(each)


@given(st.sampled_from(ReceiverClass), st.integers(1, 200))
def test_an_idle_process_has_room_for_everybody(receiver_class: ReceiverClass, slots: int) -> None:
    assert allowed(AttemptSlots(slots).room(), receiver_class) >= 1


def test_while_there_is_room_an_attempt_has_all_its_time_and_then_a_moment() -> None:
    clock = Clock()
    lanes = AttemptSlots(MANY, clock)
    limits_s = lanes.admit(some(60, ReceiverClass.NEW))
    clock.all_have_begun()
    assert limits_s == [math.inf] * 50 + [SOON_S] * 10
    assert lanes.room().slow == 0, "those who need all their time wait for some"
    assert lanes.room().unproven == 4, "but for how many begin at once, it is 15"
    assert allowed(lanes.room(), ReceiverClass.PROVEN) == 40


@pytest.mark.parametrize("receiver_class", [ReceiverClass.SLOW, ReceiverClass.FAILING])
def test_who_is_known_to_be_slow_is_never_cut_short(receiver_class: ReceiverClass) -> None:
    lanes = AttemptSlots(MANY)
    num = allowed(lanes.room(), receiver_class)
    mixed = [*some(60, ReceiverClass.PROVEN), *some(num, receiver_class, since=60)]
    limits_s = lanes.admit(mixed)
    assert limits_s[60:] == [math.inf] * num
    assert limits_s.count(math.inf) == 50


def test_what_ended_makes_room() -> None:
    lanes = AttemptSlots(MANY)
    under_way = some(MANY, ReceiverClass.PROVEN)
    lanes.admit(under_way)
    assert lanes.room() == Room(total=0, unproven=4, slow=0, failing=2)
    for each in under_way:
        lanes.leave(each)
    assert lanes.room() == AttemptSlots(MANY).room()


def test_receivers_that_are_not_proven_begin_a_few_at_a_time_and_proven_ones_whenever_they_like() -> None:
    clock = Clock()
    lanes = AttemptSlots(1024, clock)
    lanes.admit(some(2, ReceiverClass.FAILING))
    assert allowed(lanes.room(), ReceiverClass.FAILING) == 0
    assert allowed(lanes.room(), ReceiverClass.NEW) == 2, "those that fail leave some for those never seen"
    newcomers = some(2, ReceiverClass.NEW, since=2)
    lanes.admit(newcomers)
    assert allowed(lanes.room(), ReceiverClass.NEW) == 0
    assert allowed(lanes.room(), ReceiverClass.PROVEN) == 64
    lanes.leave(newcomers[0])
    assert allowed(lanes.room(), ReceiverClass.NEW) == 1


@pytest.mark.parametrize("receiver_class", [ReceiverClass.NEW, ReceiverClass.SLOW, ReceiverClass.FAILING])
def test_what_hangs_makes_room_for_the_next_soon_after_its_beginning(receiver_class: ReceiverClass) -> None:
    clock = Clock()
    lanes = AttemptSlots(1024, clock)
    num = allowed(lanes.room(), receiver_class)
    assert lanes.more_room_in_s() == math.inf
    lanes.admit(some(num, receiver_class))
    clock.now_s += BEGIN_S / 4
    assert allowed(lanes.room(), receiver_class) == 0
    assert lanes.more_room_in_s() == pytest.approx(BEGIN_S * 3 / 4)
    clock.all_have_begun()
    assert allowed(lanes.room(), receiver_class) == num
    assert lanes.more_room_in_s() == math.inf
