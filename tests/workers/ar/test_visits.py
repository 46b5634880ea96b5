"""However many decode steps run between two visits of the host, and whatever happens at a visit: the same tokens."""

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.jobs.leases import Claim
from tests.workers.ar.tiny_decoding import a_tiny_engine, claims, tiny_engines
from workers.ar.engine import ArEngine
from workers.ar.model.decode_loop import DecodeLoop
from workers.ar.sequence import ArSequence
from workers.ar.visits import LONGEST_S, MOST_STEPS, Visits

KV_TOKENS = 2_000


@pytest.fixture(scope="module", autouse=True)
def _tiny() -> Iterator[None]:
    with tiny_engines():
        yield


def ended(engine: ArEngine) -> dict[str, object]:
    """Runs a step. Returns the tokens, or the error, of each render that ended in it."""
    ends = {outcome.claim.render_id: outcome.result or outcome.error for outcome in engine.step()}
    return {name: getattr(end, "grid", None) or getattr(end, "reason", None) for name, end in ends.items()}


def alone(claim: Claim) -> object:
    engine, ends = a_tiny_engine(KV_TOKENS, max_sequences=1, most_steps=1), dict[str, object]()
    engine.admit(claim)
    while not engine.is_idle:
        ends.update(ended(engine))
    return ends[claim.render_id]


def with_history(rng: random.Random, asked: Sequence[Claim], engine: ArEngine) -> dict[str, object]:
    """Admits the claims at random times, and drops renders at random times. A dropped render is cancelled, or claimed
    again: another worker took it back, or a more urgent one took its place.
    """
    waiting, cancelled, ends = list(asked), set[str](), dict[str, object]()
    while waiting or not engine.is_idle:
        if waiting and rng.random() < 0.3:
            engine.admit(waiting.pop())
        engine.in_step()
        running = [claim for claim in asked if claim.render_id in engine.progress()]
        if running and rng.random() < 0.15:
            claim = rng.choice(running)
            engine.drop(claim.render_id)
            if rng.random() < 0.5:
                waiting.append(claim)
            else:
                cancelled.add(claim.render_id)
        ends.update(ended(engine))
    assert cancelled.isdisjoint(ends)
    return ends


@given(seed=st.integers(0, 2**20), rows=st.integers(1, 6), num_kv_tokens=st.integers(90, 300))
@settings(max_examples=5, deadline=None)
def test_the_tokens_do_not_depend_on_visits_arrivals_cancellations_or_renders_that_come_again(
    seed: int, rows: int, num_kv_tokens: int
) -> None:
    asked = claims(7, seed)
    expected: dict[str, object] = {claim.render_id: alone(claim) for claim in asked}
    for most_steps in (1, 4, MOST_STEPS):
        ends = with_history(random.Random(seed), asked, a_tiny_engine(num_kv_tokens, rows, most_steps))
        assert ends == {name: expected[name] for name in ends}


def test_a_visit_comes_after_as_many_steps_as_allowed_and_when_a_row_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    visits: list[tuple[int, int]] = []
    run = DecodeLoop.run

    def noted(loop: DecodeLoop, sequences: Sequence[ArSequence], num_steps: int) -> Sequence[Sequence[int]]:
        visits.append((len(sequences), num_steps))
        assert num_steps <= min(sequence.num_to_sample for sequence in sequences)
        return run(loop, sequences, num_steps)

    monkeypatch.setattr(DecodeLoop, "run", noted)
    monkeypatch.setattr("workers.ar.engine.is_degenerate", lambda *_: False)
    engine = a_tiny_engine(KV_TOKENS, max_sequences=4, most_steps=MOST_STEPS)
    short, long = claims(1, 7)[0], claims(3, 6)[2]  # 10 and 23 tokens
    engine.admit(short)
    engine.step()  # the prompt is prefilled
    engine.step()
    assert visits == [(1, 8)]
    engine.admit(long)
    while not engine.is_idle:
        engine.step()
    # One token of the short one beside the long one's prefill, its last one beside the long one's first.
    assert visits[1:] == [(1, 1), (2, 1), (1, 8), (1, 8), (1, 6)]


def test_a_visit_is_at_most_eight_steps_or_a_tenth_of_a_second_away() -> None:
    visits = Visits()
    assert visits.num_steps(1_000) == 1, "no step was measured yet"
    for step_s in (0.001, 0.01, 0.02, 0.03, 0.09, 0.2, 5.0):
        visits.note(4, 4 * step_s)
        num_steps = visits.num_steps(1_000)
        assert num_steps == 1 or num_steps * step_s <= LONGEST_S
        assert num_steps <= MOST_STEPS
        assert num_steps == MOST_STEPS or (num_steps + 1) * step_s > LONGEST_S, "more steps would fit"
    visits.note(1, 0.01)
    assert visits.num_steps(3) == 3
