"""Exact booking of memory, prompts in chunks, degenerate grids. No tensors. See test_admission for the order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RenderFailed
from shared.geometry import CODEBOOK_SIZE, GridSize
from shared.jobs.spec import Priority
from shared.jobs.token_grid import TokenGrid
from tests.workers.ar.claims import a_claim
from workers.ar.guard import TOKENS_PER_DISTINCT_CODE, is_degenerate
from workers.ar.kv_allocator import Extent, KvAllocator
from workers.ar.scheduler import PATIENCE_STEPS, PREFILL_CHUNK, Scheduler
from workers.ar.sequence import ArSequence

CAPACITY = 2_000


def a_sequence(name: str, side_px: int = 256, num_prompt: int = 10, job: str = "") -> ArSequence:
    return ArSequence(a_claim(name, (side_px, side_px), job=job), tuple(range(num_prompt)))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=60))
def test_the_books_always_balance(moves: list[tuple[bool, int]]) -> None:
    book = KvAllocator(100)
    booked: list[Extent] = []
    for books, number in moves:
        if books and (extent := book.book(number)):
            assert extent.length == number
            booked.append(extent)
        elif booked:
            book.release(booked.pop(number % len(booked)))
        book.check_integrity()
        assert book.num_free == 100 - sum(extent.length for extent in booked)
    for extent in booked:
        book.release(extent)
    assert book.book(100) == Extent(0, 100)


def test_an_extent_cannot_be_given_back_twice() -> None:
    book = KvAllocator(10)
    extent = book.book(5)
    assert extent
    book.release(extent)
    with pytest.raises(KeyError):
        book.release(extent)


def test_memory_is_booked_for_prompt_and_grids_exactly() -> None:
    sequence = a_sequence("x", 1024, num_prompt=10)
    # 256 draft tokens and 1,024 of the grid; the last one is never fed back.
    assert sequence.num_kv_tokens == 10 + 256 + 1024 - 1


def test_what_no_empty_memory_could_hold_is_refused() -> None:
    with pytest.raises(RenderFailed) as refusal:
        Scheduler(KvAllocator(500), 4).refuse_too_large(a_sequence("x", 1024))
    assert refusal.value.reason == "kv_too_large"


def test_short_prompts_are_prefilled_together_and_decoding_goes_on() -> None:
    scheduler = Scheduler(KvAllocator(CAPACITY), 16)
    sequences = [a_sequence(name) for name in "abc"]
    for sequence in sequences:
        scheduler.add(sequence)
    sequences[0].num_prefilled = 9
    batch = scheduler.next_batch()
    assert batch.prefill == sequences[1:]
    assert batch.decode == [sequences[0]]


def test_a_step_prefills_no_more_than_a_chunk_and_a_short_prompt_counts_as_a_forward() -> None:
    scheduler = Scheduler(KvAllocator(100 * CAPACITY), 64)
    for index in range(20):
        scheduler.add(a_sequence(f"{index:02d}"))
    assert len(scheduler.next_batch().prefill) == PREFILL_CHUNK // 64


def test_a_short_prompt_does_not_wait_for_all_of_a_long_one() -> None:
    scheduler = Scheduler(KvAllocator(100 * CAPACITY), 16)
    long, short = a_sequence("long", num_prompt=1500), a_sequence("short")
    scheduler.add(long)
    assert scheduler.next_batch().prefill == [long]
    long.num_prefilled = PREFILL_CHUNK
    scheduler.add(short)
    assert scheduler.next_batch().prefill == [short]


def test_a_step_decodes_tokens_until_a_row_ends_and_only_one_beside_a_prefill() -> None:
    scheduler = Scheduler(KvAllocator(100 * CAPACITY), 16)
    short, long, new = a_sequence("short"), a_sequence("long", 512), a_sequence("new")
    for sequence in (short, long):
        scheduler.add(sequence)
    assert scheduler.next_batch().most_tokens == 1
    for sequence in (short, long):
        sequence.num_prefilled = 9
    assert scheduler.next_batch().most_tokens == short.num_tokens_total
    short.tokens += [1] * 50
    assert scheduler.next_batch().most_tokens == short.num_tokens_total - 50
    scheduler.add(new)
    assert scheduler.next_batch().most_tokens == 1
    scheduler.remove(new.render_id)
    scheduler.remove(short.render_id)
    assert scheduler.next_batch().most_tokens == long.num_tokens_total


def test_waits_are_counted_in_tokens_however_many_a_step_decodes() -> None:
    """A render of the class `batch` rises after 4,096 decode steps, also if the engine did 8 of them at a time."""
    scheduler = Scheduler(KvAllocator(CAPACITY), 1)
    bulk = ArSequence(a_claim("bulk", priority=Priority.BATCH), tuple(range(10)), 0)
    running, person = a_sequence("running"), ArSequence(a_claim("person"), tuple(range(10)), 1)
    scheduler.add(running)
    scheduler.next_batch()
    scheduler.add(bulk)
    for _ in range(PATIENCE_STEPS // 8):
        scheduler.next_batch()
        scheduler.count_tokens(8)
    scheduler.add(person)
    scheduler.remove(running.render_id)
    assert scheduler.next_batch().to_place == [bulk]


def test_siblings_wait_for_the_first_prefill_and_then_copy_it() -> None:
    scheduler = Scheduler(KvAllocator(CAPACITY), 16)
    first, second, other = a_sequence("a", job="j"), a_sequence("b", job="j"), a_sequence("c")
    for sequence in (first, second, other):
        scheduler.add(sequence)
    assert scheduler.next_batch().prefill == [first, other]
    first.num_prefilled = 9
    batch = scheduler.next_batch()
    assert batch.shared == [(first, second)]
    assert batch.prefill == [other]


@pytest.mark.parametrize(
    ("size", "num_codes", "distinct", "verdict"),
    [
        (GridSize(8, 8), CODEBOOK_SIZE, 1, True),
        (GridSize(8, 8), CODEBOOK_SIZE, 2, False),
        (GridSize(32, 32), CODEBOOK_SIZE, 1024 // TOKENS_PER_DISTINCT_CODE - 1, True),
        (GridSize(32, 32), CODEBOOK_SIZE, 1024 // TOKENS_PER_DISTINCT_CODE, False),
        (GridSize(32, 32), CODEBOOK_SIZE // 2, 1024 // TOKENS_PER_DISTINCT_CODE // 2 - 1, True),
        (GridSize(32, 32), CODEBOOK_SIZE // 2, 1024 // TOKENS_PER_DISTINCT_CODE // 2, False),
        (GridSize(32, 32), 1_024, 1, True),
        (GridSize(32, 32), 1_024, 2, False),
    ],
)
def test_a_grid_of_very_few_codes_is_degenerate(size: GridSize, num_codes: int, distinct: int, verdict: bool) -> None:
    tokens = tuple(index % distinct for index in range(size.num_tokens))
    assert is_degenerate(TokenGrid(size, tokens), num_codes) is verdict


def test_a_retry_draws_from_a_stream_of_its_own() -> None:
    sequence = a_sequence("x")
    own = sequence.stream_seed
    sequence.tokens.append(3)
    sequence.start_over()
    assert sequence.tokens == []
    assert sequence.stream_seed != own
    assert 0 <= sequence.stream_seed < 2**63
