"""When a failed webhook is tried again: the specification's ten attempts, and no wait out of bounds."""

import random
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from workers.delivery.schedule import (
    JITTER,
    LONGEST_RETRY_AFTER_S,
    MANIFEST_DELAYS_S,
    RETRY_DELAYS_S,
    clamped,
    retry_delay_s,
)

ATTEMPTS = st.integers(1, len(RETRY_DELAYS_S))
RNGS = st.builds(random.Random, st.integers())
WISHES = st.none() | st.floats(allow_nan=False)
HOUR_S = 3600


def test_ten_attempts_span_the_hours_that_the_specification_gives_as_an_example() -> None:
    ends_s = list(accumulate(RETRY_DELAYS_S))
    assert len(ends_s) + 1 == 10
    assert ends_s[-1] == 75 * HOUR_S + 35 * 60 + 5


@given(ATTEMPTS, RNGS)
def test_a_wait_is_never_shorter_than_the_schedule_and_hardly_longer(attempt: int, rng: random.Random) -> None:
    delay_s = retry_delay_s(RETRY_DELAYS_S, attempt, rng)
    scheduled_s = RETRY_DELAYS_S[attempt - 1]
    assert delay_s is not None
    assert scheduled_s <= delay_s <= scheduled_s * (1 + JITTER)


@given(st.integers(1, len(RETRY_DELAYS_S) - 1), RNGS, RNGS)
def test_waits_grow_whatever_the_dice_say(attempt: int, rng: random.Random, other: random.Random) -> None:
    first, second = (retry_delay_s(RETRY_DELAYS_S, attempt + i, dice) for i, dice in enumerate((rng, other)))
    assert first is not None
    assert second is not None
    assert first < second


@given(ATTEMPTS, st.integers(), WISHES)
def test_a_receivers_wish_prolongs_a_wait_to_an_hour_at_most(attempt: int, seed: int, wish_s: float | None) -> None:
    plain_s = retry_delay_s(RETRY_DELAYS_S, attempt, random.Random(seed))
    delay_s = retry_delay_s(RETRY_DELAYS_S, attempt, random.Random(seed), wish_s)
    assert plain_s is not None
    assert delay_s is not None
    assert plain_s <= delay_s <= max(plain_s, LONGEST_RETRY_AFTER_S)
    assert delay_s >= min(wish_s or 0.0, LONGEST_RETRY_AFTER_S)


@given(WISHES)
def test_no_wish_spares_a_receiver_for_longer_than_an_hour(wish_s: float | None) -> None:
    assert 0 <= clamped(wish_s) <= LONGEST_RETRY_AFTER_S


@given(st.integers(1), RNGS, WISHES)
def test_after_the_last_attempt_there_is_no_other(more: int, rng: random.Random, wish_s: float | None) -> None:
    assert retry_delay_s(RETRY_DELAYS_S, len(RETRY_DELAYS_S) + more, rng, wish_s) is None


def test_a_manifest_is_soon_tried_again_and_for_a_day() -> None:
    assert MANIFEST_DELAYS_S[0] <= 1
    assert sum(MANIFEST_DELAYS_S) >= 24 * HOUR_S
