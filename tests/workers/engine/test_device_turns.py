"""Turns on one device, by properties: nobody starves, waits are bounded, weights seldom move. No clock, no lock."""

import random
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.one_card import MOVE_S, Card, Picture, Slices, mixed_arrivals
from workers.engine.device_turns import Demand, MoveTimes, TurnRules

RULES = TurnRules()
STEP_S = 0.4
RANKS = st.integers(0, 1)
SECONDS = st.floats(0, 1e6)
WANTS = st.builds(Demand, RANKS, SECONDS)
CROWDS = st.lists(st.builds(Picture, RANKS, st.floats(0, 300)), min_size=1, max_size=40)


def card_of(pictures: list[Picture], until_s: float = 3600.0, card: Card | None = None) -> Card:
    card = card or Card(None, MOVE_S)
    card.run([Picture(picture.rank, picture.at_s) for picture in pictures], until_s)
    return card


def slow_card(times: float) -> Card:
    return Card(None, (times * MOVE_S[0], times * MOVE_S[1]))


@given(ours=WANTS, theirs=WANTS, held_s=SECONDS)
def test_no_turn_is_cut_before_it_was_worth_its_move(ours: Demand, theirs: Demand, held_s: float) -> None:
    if RULES.is_over(ours, theirs, held_s):
        assert held_s >= RULES.least_s


@given(ours=WANTS, theirs=WANTS)
def test_every_turn_is_over_by_the_time_that_the_rules_state(ours: Demand, theirs: Demand) -> None:
    bound_s = RULES.longest_wait_s(theirs.rank, ours.rank, step_s=0.0) - RULES.move_s
    assert RULES.is_over(ours, theirs, bound_s + 0.001)


@given(ours=SECONDS, theirs=SECONDS, held_s=SECONDS)
def test_people_get_the_device_from_bulk_as_soon_as_a_turn_may_be_cut(
    ours: float, theirs: float, held_s: float
) -> None:
    assert RULES.is_over(Demand(1, ours), Demand(0, theirs), held_s) == (held_s >= RULES.least_s)


@given(held_s=st.floats(0, 200))
def test_within_a_class_the_engine_that_will_be_done_sooner_has_the_longer_turn(held_s: float) -> None:
    if RULES.is_over(Demand(1, 100.0), Demand(1, 900.0), held_s):
        assert RULES.is_over(Demand(1, 900.0), Demand(1, 100.0), held_s)


def test_a_wave_that_ends_soon_is_not_cut() -> None:
    turn_s = RULES.cycle_s(1) / 2
    assert not RULES.is_over(Demand(1, 20.0), Demand(1, 20.0), turn_s + 1)
    assert RULES.is_over(Demand(1, 300.0), Demand(1, 300.0), turn_s + 1)


@settings(max_examples=25, deadline=None)
@given(pictures=CROWDS, times=st.floats(0.1, 20))
def test_whatever_comes_everyone_ends_and_no_side_waits_longer_than_stated(
    pictures: list[Picture], times: float
) -> None:
    card = card_of(pictures, card=slow_card(times))
    assert len(card.done) == len(pictures)
    for turn in card.turns:
        theirs, own_move_s = TurnRules(move_s=times * MOVE_S[1 - turn.side]), times * MOVE_S[turn.side]
        # The side that waits may have asked for bulk before.
        bounds_s = [theirs.longest_wait_s(turn.rank, other, STEP_S, own_move_s) for other in (0, 1)]
        assert turn.waited_s <= max(bounds_s) + 1e-6, turn
        if turn.is_cut:
            assert turn.lasted_s >= TurnRules(move_s=own_move_s).urgent_s - 1e-6


@given(move_s=SECONDS, other=RANKS)
def test_however_slowly_weights_move_a_person_waits_for_half_a_minute_and_the_move(move_s: float, other: int) -> None:
    assert TurnRules(move_s=move_s).longest_wait_s(0, other, STEP_S) <= 30.0 + STEP_S + move_s


@pytest.mark.parametrize("people_a_minute", [0.0, 3.0])
@settings(max_examples=5, deadline=None)
@given(factors=st.lists(st.floats(0.3, 3.0), min_size=1, max_size=8))
def test_a_card_that_is_never_idle_computes_nine_tenths_of_the_time(
    people_a_minute: float, factors: list[float]
) -> None:
    """The worker does not know how long the next move will take, only how long the last ones took."""
    until_s = 1200.0
    pictures = mixed_arrivals(random.Random(3), people_a_minute=people_a_minute, num_bulk=400, until_s=until_s)
    card = card_of(pictures, until_s, Card(None, MOVE_S, factors=cycle(factors)))
    assert card.idle_s == 0
    assert card.moving_s <= (1 - RULES.least_share) * card.now_s


@pytest.mark.parametrize(("people_a_minute", "num_bulk"), [(0.0, 400), (2.0, 400), (4.0, 0)])
def test_a_card_makes_nine_tenths_of_the_pictures_that_it_makes_without_moving(
    people_a_minute: float, num_bulk: int
) -> None:
    until_s = 1800.0
    pictures = mixed_arrivals(random.Random(3), people_a_minute=people_a_minute, num_bulk=num_bulk, until_s=until_s)
    moving, still = (card_of(pictures, until_s, card) for card in (None, Card(RULES, (0.0, 0.0))))
    assert len(moving.done) >= 0.9 * len(still.done)


@given(times_s=st.lists(st.floats(0.01, 100), min_size=1))
def test_the_mean_move_is_between_the_shortest_and_the_longest(times_s: list[float]) -> None:
    moves = MoveTimes()
    for took_s in times_s:
        moves.note(took_s)
    assert moves.mean_s is not None
    assert min(times_s) <= moves.mean_s * (1 + 1e-9)
    assert moves.mean_s <= max(times_s) * (1 + 1e-9)


def test_one_slow_move_makes_turns_little_longer_and_a_slower_host_is_learned() -> None:
    moves = MoveTimes()
    for took_s in [1.0] * 5 + [600.0]:
        moves.note(took_s)
    assert moves.mean_s == pytest.approx(1.6)
    for _ in range(20):
        moves.note(3.0)
    assert moves.mean_s == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(("ranks", "least_share"), [((0, 1), 0.08), ((1, 0), 0.08), ((0, 0), 0.4), ((1, 1), 0.4)])
def test_no_side_starves_beside_one_that_never_ends(ranks: tuple[int, int], least_share: float) -> None:
    card = Card(None, MOVE_S)
    for side, rank in zip(card.sides, ranks, strict=True):
        side.renders.append(Picture(rank, 0.0, num_left=10**6))
    card.run([], until_s=3600.0)
    computed_s = [sum(turn.lasted_s for turn in card.turns if turn.side == side) for side in (0, 1)]
    assert min(computed_s) >= least_share * sum(computed_s)
    if ranks[0] != ranks[1]:
        assert computed_s[ranks.index(0)] > computed_s[ranks.index(1)]


def test_slices_moved_weights_more_often_and_let_people_wait_longer() -> None:
    pictures = mixed_arrivals(random.Random(5), people_a_minute=2, num_bulk=300, until_s=1200)
    ours, slices = card_of(pictures, 1200.0), Card(Slices(), MOVE_S)
    slices.run([Picture(picture.rank, picture.at_s) for picture in pictures], 1200.0)

    def of_people(card: Card) -> float:
        taken_s = sorted(picture.ended_s - picture.at_s for picture in card.done if picture.rank == 0)
        return taken_s[len(taken_s) // 2]

    assert of_people(ours) < of_people(slices)
