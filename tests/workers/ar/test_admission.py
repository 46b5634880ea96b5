"""Which sequence gets memory and whose prompt is prefilled, on a virtual clock of steps. No tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.jobs.spec import Priority
from tests.workers.ar.claims import a_claim
from workers.ar import scheduler as policy
from workers.ar.kv_allocator import Extent, KvAllocator
from workers.ar.scheduler import AGEING_TOKENS, BACKFILL_STEPS, PREFILL_CHUNK, Scheduler
from workers.ar.sequence import ArSequence

BULK, PERSON = Priority.BATCH, Priority.INTERACTIVE
CAPACITY = 2_000
ARRIVALS = st.lists(
    st.tuples(st.integers(1, 60), st.sampled_from(Priority), st.integers(2, 1_500), st.integers(0, 90)),
    min_size=1,
    max_size=10,
)


@dataclass(slots=True)
class Short(ArSequence):
    """A sequence of `length` tokens: shorter than any picture, so that many histories are tried."""

    length: int = 0

    @property
    def num_tokens_total(self) -> int:
        return self.length


@dataclass
class Worker:
    """An AR worker without a model: each sequence in `decode` gets a token a step."""

    num_kv_tokens: int = CAPACITY
    max_sequences: int = 16
    began: dict[str, int] = field(default_factory=dict)
    prefilled: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    step: int = 0

    def __post_init__(self) -> None:
        self.book = KvAllocator(self.num_kv_tokens)
        self.scheduler = Scheduler(self.book, self.max_sequences)
        self.numbers = count()
        self.held: dict[str, ArSequence] = {}

    def add(self, name: str, side_px: int = 256, priority: Priority = PERSON, num_prompt: int = 10) -> ArSequence:
        claim = a_claim(name, (side_px, side_px), priority=priority)
        return self._add(ArSequence(claim, tuple(range(num_prompt)), next(self.numbers)))

    def add_short(self, name: str, length: int, priority: Priority = PERSON, num_prompt: int = 10) -> ArSequence:
        claim = a_claim(name, priority=priority)
        return self._add(Short(claim, tuple(range(num_prompt)), next(self.numbers), length=length))

    def _add(self, sequence: ArSequence) -> ArSequence:
        self.held[sequence.render_id] = sequence
        self.scheduler.add(sequence)
        return sequence

    def run(self, num_steps: int = 1) -> None:
        for _ in range(num_steps):
            batch = self.scheduler.next_batch()
            self.book.check_integrity()
            for sequence in batch.to_place:
                sequence.is_placed = True
                self.began[sequence.render_id] = self.step
            for sequence in batch.prefill:
                sequence.num_prefilled += min(PREFILL_CHUNK, sequence.num_to_prefill)
                if not sequence.num_to_prefill:
                    self.prefilled.append(sequence.render_id)
            for sequence in batch.decode:
                sequence.tokens.append(0)
                if sequence.is_finished:
                    self.end(sequence)
            self.step += 1

    def run_to_the_end(self) -> None:
        while self.held:
            self.run()
            assert self.step < 40_000, f"still waiting: {list(self.held)}"

    def end(self, sequence: ArSequence) -> None:
        self.scheduler.remove(sequence.render_id)
        self.ended.append(sequence.render_id)
        del self.held[sequence.render_id]

    @property
    def waiting(self) -> Sequence[ArSequence]:
        return [sequence for sequence in self.held.values() if sequence.extent is None]


def test_a_person_is_admitted_before_bulk_that_was_claimed_earlier() -> None:
    worker = Worker(max_sequences=1)
    worker.add("running", priority=BULK)
    worker.run()
    for name, priority in (("bulk", BULK), ("person", PERSON), ("second", PERSON)):
        worker.add(name, priority=priority)
    worker.run_to_the_end()
    assert list(worker.began) == ["running", "person", "second", "bulk"]


def test_a_small_render_uses_the_memory_that_a_waiting_large_one_does_not_need() -> None:
    worker = Worker()
    worker.add("first", 1024)
    worker.add("large", 1024)
    worker.add("small", 256)
    worker.run()
    assert list(worker.began) == ["first", "small"]
    small = worker.held["small"]
    assert small.extent
    assert small.extent.start >= worker.held["large"].num_kv_tokens


def test_many_small_renders_never_keep_a_large_one_waiting() -> None:
    worker = Worker(num_kv_tokens=1_400)
    first = worker.add("first", 768)
    worker.run()
    worker.add("large", 1024)
    for index in range(50):
        worker.add(f"small {index}", 256)
        worker.run(20)
    assert worker.began["large"] <= first.num_tokens_total + 1 + BACKFILL_STEPS


def test_a_small_render_passes_where_it_ends_in_time() -> None:
    worker = Worker(num_kv_tokens=1_400)
    worker.add("first", 768)
    worker.run()
    worker.add("large", 1024)
    worker.add("small", 256)
    worker.run()
    assert "small" in worker.began
    worker.run_to_the_end()
    assert worker.ended == ["small", "first", "large"]


def test_of_scattered_memory_the_range_that_is_free_soonest_is_set_aside() -> None:
    book = KvAllocator(100)
    extents = [book.book(20) for _ in range(5)]
    for extent in (extents[0], extents[3]):
        assert extent
        book.release(extent)
    left = {extents[1]: 50, extents[2]: 9, extents[4]: 30}
    assert book.num_free == 40
    assert book.book(40) is None
    assert book.soonest(40, left.__getitem__) == (9, Extent(40, 40))
    assert book.soonest(60, left.__getitem__) == (30, Extent(40, 60))


@settings(deadline=None)
@given(
    holes=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 40)), min_size=1, max_size=7), length=st.integers(1, 30)
)
def test_no_range_at_all_is_free_sooner_than_the_one_that_is_set_aside(
    holes: list[tuple[int, int]], length: int
) -> None:
    book = KvAllocator(max(length, sum(size for size, _ in holes)))
    left = {extent: steps for size, steps in holes if (extent := book.book(size))}
    for extent in list(left)[::3]:
        book.release(extent)
        del left[extent]

    def free_in(start: int) -> int:
        wanted = Extent(start, length)
        return max((steps for extent, steps in left.items() if extent.overlaps(wanted)), default=0)

    steps, kept = book.soonest(length, left.__getitem__)
    assert steps == free_in(kept.start) == min(map(free_in, range(book.num_tokens - length + 1)))


@given(ARRIVALS, st.integers(1, 4))
@settings(max_examples=40, deadline=None)
@example([(60, BULK, 1_400, 0), (60, BULK, 1_400, 0), (5, PERSON, 10, 5)], 4)
def test_every_render_ends_memory_is_never_overbooked_and_none_lies_idle(
    arrivals: list[tuple[int, Priority, int, int]], max_sequences: int
) -> None:
    worker = Worker(max_sequences=max_sequences)
    due = sorted(enumerate(arrivals), key=lambda arrival: arrival[1][3])
    while due or worker.held:
        while due and due[0][1][3] <= worker.step:
            index, (length, priority, num_prompt, _) = due.pop(0)
            worker.add_short(str(index), length, priority, num_prompt)
        worker.run()
        running = len(worker.held) - len(worker.waiting)
        assert running <= max_sequences
        if worker.waiting and running == 0:
            worker.scheduler.next_batch()
            assert len(worker.waiting) < len(worker.held), "an empty worker admits whatever waits"
        assert worker.step < 40_000
    assert len(worker.ended) == len(arrivals)
    assert worker.book.num_free == CAPACITY


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 90)), max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_large_render_is_delayed_by_no_more_than_the_bound(others: list[tuple[int, int]]) -> None:
    alone, worker = Worker(num_kv_tokens=140), Worker(num_kv_tokens=140)
    for each in (alone, worker):
        each.add_short("first", 70)
        each.run(3)
        each.add_short("large", 120)
    due = sorted(enumerate(others), key=lambda arrival: arrival[1][1])
    with patch.object(policy, "BACKFILL_STEPS", 6):
        while worker.held:
            while due and due[0][1][1] <= worker.step:
                index, (length, _) = due.pop(0)
                worker.add_short(f"{index}", length)
            worker.run()
    alone.run_to_the_end()
    assert worker.began["large"] <= alone.began["large"] + 6


@given(st.lists(st.sampled_from(Priority), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
def test_equal_renders_begin_by_class_then_by_claim(priorities: list[Priority]) -> None:
    worker = Worker(max_sequences=1)
    for index, priority in enumerate(priorities):
        worker.add_short(str(index), 3, priority)
    worker.run_to_the_end()
    in_order = sorted(range(len(priorities)), key=lambda index: (priorities[index].rank, index))
    assert list(worker.began) == [str(index) for index in in_order]


def test_bulk_is_admitted_though_people_never_stop_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "PATIENCE_STEPS", 300)
    worker = Worker(max_sequences=1)
    worker.add("person")
    worker.add("bulk", priority=BULK)
    for index in range(60):
        worker.add(f"person {index}")
        worker.run(20)
    assert worker.began["bulk"] < 300 + 2 * 90


def test_edits_that_came_together_finish_their_prompts_one_after_the_other() -> None:
    worker = Worker(num_kv_tokens=200_000, max_sequences=32)
    for index in range(32):
        worker.add(f"{index:02d}", num_prompt=2_600)
    chunks = -(-2_599 // PREFILL_CHUNK)
    for done in range(1, 33):
        worker.run(chunks)
        assert worker.prefilled == [f"{index:02d}" for index in range(done)]


def test_a_persons_prompt_goes_before_bulks_that_has_less_left() -> None:
    worker = Worker(num_kv_tokens=200_000)
    worker.add("bulk", priority=BULK, num_prompt=1_500)
    worker.run(2)
    worker.add("person", num_prompt=2_000)
    worker.run(4)
    assert worker.prefilled == ["person"]


def test_the_shortest_prompt_goes_first_and_a_step_is_filled_up() -> None:
    worker = Worker(num_kv_tokens=200_000)
    worker.add("long", num_prompt=1_500)
    worker.add("middle", num_prompt=440)
    worker.add("short", num_prompt=60)
    worker.run()
    assert worker.prefilled == ["short", "middle"]


def test_a_long_prompt_is_passed_by_shorter_ones_for_a_known_time_only() -> None:
    worker = Worker(num_kv_tokens=2_000_000, max_sequences=5_000)
    worker.add("long", num_prompt=2 * PREFILL_CHUNK + 1)
    steps = 0
    while "long" not in worker.prefilled:
        worker.add(f"{steps}", num_prompt=PREFILL_CHUNK + 1)
        worker.run()
        steps += 1
    assert steps <= PREFILL_CHUNK // AGEING_TOKENS + 3
