"""Decides which sequences get memory, and which are prefilled and decoded in the next step. No tensors, no clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.errors import RenderFailed
from shared.ids import JobId, RenderId
from workers.ar.kv_book import Extent, KvBook
from workers.ar.sequence import ArSequence

PREFILL_CHUNK = 512  # tokens of a prompt at once, and of all prompts in a step
_SMALLEST_COST = 64  # a chunk reads all weights, which takes the time of about so many tokens however short it is
BACKFILL_STEPS = 64  # how much later a waiting render may get its memory for the others: 5 % of a 1024x1024 grid
PATIENCE_STEPS = 4_096  # about three 1024x1024 grids; whoever has waited so long counts as one class higher
AGEING_TOKENS = 8  # a prompt that waits a step counts as so much shorter


@dataclass(frozen=True, slots=True)
class Batch:
    """One step. Those in `to_place` have memory and nothing in it; `shared` are (source, target) pairs of one prompt.

    Those in `prefill` get the next chunk of their prompts; all in `decode` get one more token each.
    """

    to_place: Sequence[ArSequence]
    shared: Sequence[tuple[ArSequence, ArSequence]]
    prefill: Sequence[ArSequence]
    decode: Sequence[ArSequence]


class Scheduler:
    """Admits by class, then in the order of the claims. A class rises after `PATIENCE_STEPS`, so each has its turn.

    The first sequence that does not fit has the range of memory set aside that can be free soonest: every running
    sequence ends after a known number of steps. Later sequences pass it only outside that range, or where they end
    within `BACKFILL_STEPS` of when it could have begun. This is backfilling as in the EASY scheduler: D. Lifka, *The
    ANL/IBM SP Scheduling System*, JSSPP 1995.
    """

    def __init__(self, book: KvBook, max_sequences: int) -> None:
        self._book = book
        self._max_sequences = max_sequences
        self._waiting: dict[RenderId, ArSequence] = {}
        self._running: dict[RenderId, ArSequence] = {}
        self._latest: dict[RenderId, int] = {}  # the step by which a sequence gets its memory, whoever passes it
        self._step = 0
        self._has_changed = False  # nobody new fits until a sequence comes or goes

    @property
    def kv_used_ratio(self) -> float:
        """Returns the share of the KV memory that is booked."""
        return 1 - self._book.num_free / self._book.num_tokens

    def refuse_too_large(self, sequence: ArSequence) -> None:
        """Raises `RenderFailed("kv_too_large")` for one that no empty memory could hold."""
        if sequence.num_kv_tokens > self._book.num_tokens:
            need, have = sequence.num_kv_tokens, self._book.num_tokens
            raise RenderFailed("kv_too_large", f"the render needs {need} tokens of KV memory, this worker has {have}")

    def add(self, sequence: ArSequence) -> None:
        """Queues a sequence that is not too large."""
        sequence.since_step = self._step
        self._waiting[sequence.render_id] = sequence
        self._has_changed = True

    def next_batch(self) -> Batch:
        """Admits what fits, then plans the step. A plan that is given up costs nothing: the next one makes up for it.

        Prompts are prefilled in chunks, some each step, so that decoding never waits for long: by class, then the one
        with the fewest tokens left, so that edits which came together finish one after the other. A waiting prompt
        counts as `AGEING_TOKENS` shorter each step, so shorter ones pass it only for a while.
        Renders of one job have one prompt: the first is prefilled, the others copy from it once it is.
        """
        self._step += 1
        self._admit()
        to_place = [sequence for sequence in self._running.values() if not sequence.is_placed]
        decode = [sequence for sequence in self._running.values() if not sequence.num_to_prefill]
        source_of = {sequence.job_id: sequence for sequence in reversed(decode)}
        unfilled = [sequence for sequence in self._running.values() if sequence.num_to_prefill]
        shared = [(source_of[sequence.job_id], sequence) for sequence in unfilled if sequence.job_id in source_of]
        own = [sequence for sequence in unfilled if sequence.job_id not in source_of]
        return Batch(to_place, shared, self._prefill(own), decode)

    def remove(self, render_id: RenderId) -> None:
        """Forgets a sequence, wherever it is, and gives its memory back. Unknown ids are ignored."""
        sequence = self._running.pop(render_id, None)
        if sequence is not None:
            assert sequence.extent
            self._book.release(sequence.extent)
        self._waiting.pop(render_id, None)
        self._latest.pop(render_id, None)
        self._has_changed = True

    def _admit(self) -> None:
        """Gives memory to those that may have it now. One pass in order; `kept` is set aside for the first without."""
        if not self._has_changed:
            return
        self._has_changed = False
        kept: Extent | None = None
        latest = 0
        for sequence in sorted(self._waiting.values(), key=lambda each: (self._rank(each), each.number)):
            if len(self._running) == self._max_sequences:
                return
            sequence.extent = self._book.book(sequence.num_kv_tokens, avoid=kept)
            if kept and not sequence.extent and self._step + self._steps_left(sequence) <= latest:
                sequence.extent = self._book.book(sequence.num_kv_tokens)
            if sequence.extent:
                self._begin(sequence)
            elif kept is None:
                kept, latest = self._set_aside(sequence)

    def _begin(self, sequence: ArSequence) -> None:
        del self._waiting[sequence.render_id]
        self._latest.pop(sequence.render_id, None)
        sequence.since_step = self._step
        self._running[sequence.render_id] = sequence

    def _set_aside(self, sequence: ArSequence) -> tuple[Extent, int]:
        """Returns the memory that a sequence will get, and the step by which it gets it. That step is fixed once."""
        left = {each.extent: self._steps_left(each) for each in self._running.values() if each.extent}
        steps, kept = self._book.soonest(sequence.num_kv_tokens, left.__getitem__)
        return kept, self._latest.setdefault(sequence.render_id, self._step + steps + BACKFILL_STEPS)

    def _steps_left(self, sequence: ArSequence) -> int:
        """Returns in how many steps it ends, if it starts now and all running prompts are prefilled before its own."""
        if not sequence.num_to_prefill:
            return sequence.num_tokens_total - len(sequence.tokens)
        unfilled = {each.render_id: each for each in (sequence, *self._running.values())}
        return sum(map(_num_chunks, unfilled.values())) + sequence.num_tokens_total

    def _rank(self, sequence: ArSequence) -> int:
        """Its class, or a higher one after a long wait."""
        return max(0, sequence.rank - (self._step - sequence.since_step) // PATIENCE_STEPS)

    def _prefill(self, unfilled: Sequence[ArSequence]) -> Sequence[ArSequence]:
        """Returns which get a chunk in this step: the first of them, and those beside it that cost no more together."""
        chosen: list[ArSequence] = []
        cost = 0
        for sequence in sorted(_first_of_jobs(unfilled), key=self._prefill_order):
            own_cost = max(_SMALLEST_COST, min(PREFILL_CHUNK, sequence.num_to_prefill))
            if not chosen or cost + own_cost <= PREFILL_CHUNK:
                chosen.append(sequence)
                cost += own_cost
        return chosen

    def _prefill_order(self, sequence: ArSequence) -> tuple[int, int, int]:
        """Ageing lies in the step of admission: all that wait grow older alike."""
        shortness = sequence.num_to_prefill + AGEING_TOKENS * sequence.since_step
        return self._rank(sequence), shortness, sequence.number


def _first_of_jobs(unfilled: Sequence[ArSequence]) -> Iterator[ArSequence]:
    """Yields one sequence of each job, the first: the others wait for its prefill."""
    first_of: dict[JobId, ArSequence] = {}
    for sequence in unfilled:
        first_of.setdefault(sequence.job_id, sequence)
    yield from first_of.values()


def _num_chunks(sequence: ArSequence) -> int:
    return -(-sequence.num_to_prefill // PREFILL_CHUNK)
