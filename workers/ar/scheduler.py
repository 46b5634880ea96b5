"""Decides which sequences get KV memory, and which are prefilled and decoded in the next step. It uses no tensors and
no clock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.errors import RenderFailed
from shared.ids import JobId, RenderId
from workers.ar.kv_allocator import Extent, KvAllocator
from workers.ar.sequence import ArSequence

PREFILL_CHUNK = 512  # the most prompt tokens that a step prefills, of one prompt and of all together
_SMALLEST_COST = 64  # tokens; any chunk reads all weights, which takes as long as computing about 64 tokens
BACKFILL_STEPS = 64  # how much later a sequence may get its memory because others pass it: 5 % of a 1024x1024 grid
PATIENCE_STEPS = 4_096  # about three 1024x1024 grids; a sequence that has waited so long rises by one class
AGEING_TOKENS = 8  # a prompt counts as 8 tokens shorter for each step that it has waited


@dataclass(frozen=True, slots=True)
class Batch:
    """The plan of one step of the AR engine.

    Sequences in `to_place` have just got KV memory and need their rotary tables written. `shared` has pairs (source,
    target) of sequences with the same prompt; the target copies the source's keys and values. Sequences in `prefill`
    get the next chunk of their prompts computed. Sequences in `decode` get at least one more token each.

    The step may decode up to `most_tokens` tokens for each sequence, until a sequence ends. It decodes only one while a
    prompt is not prefilled.
    """

    to_place: Sequence[ArSequence]
    shared: Sequence[tuple[ArSequence, ArSequence]]
    prefill: Sequence[ArSequence]
    decode: Sequence[ArSequence]
    most_tokens: int


class Scheduler:
    """Decides which sequences get KV memory and which of them each step computes. Waiting sequences are ordered by
    class, then by the order of their claims. A sequence rises by one class after every `PATIENCE_STEPS` steps of
    waiting, so every class gets its turn.

    The first sequence that does not fit reserves the range of memory that can be free soonest. This range is known,
    because every running sequence ends after a known number of steps. Later sequences may start outside the reserved
    range. They may start inside it only if they hardly delay the reserving sequence: they must end within
    `BACKFILL_STEPS` of the step at which that sequence could have started. This is backfilling as in the EASY
    scheduler: D. Lifka, *The ANL/IBM SP Scheduling System*, JSSPP 1995.
    """

    def __init__(self, book: KvAllocator, max_sequences: int) -> None:
        self._book = book
        self._max_sequences = max_sequences
        self._waiting: dict[RenderId, ArSequence] = {}
        self._running: dict[RenderId, ArSequence] = {}
        self._latest: dict[RenderId, int] = {}  # the step by which a sequence gets its memory, whatever passes it
        self._step = 0
        self._has_changed = False  # no waiting sequence can start to fit until one comes or goes

    @property
    def kv_used_ratio(self) -> float:
        """Returns the allocated share of the KV memory, from 0 to 1."""
        return 1 - self._book.num_free / self._book.num_tokens

    def refuse_too_large(self, sequence: ArSequence) -> None:
        """Raises `RenderFailed("kv_too_large")` if the sequence needs more KV memory than the worker has in total."""
        if sequence.num_kv_tokens > self._book.num_tokens:
            need, have = sequence.num_kv_tokens, self._book.num_tokens
            raise RenderFailed("kv_too_large", f"the render needs {need} tokens of KV memory, this worker has {have}")

    def add(self, sequence: ArSequence) -> None:
        """Adds a sequence to those that wait for KV memory. The caller has checked that the sequence is not
        too large.
        """
        sequence.since_step = self._step
        self._waiting[sequence.render_id] = sequence
        self._has_changed = True

    def next_batch(self) -> Batch:
        """Gives KV memory to those waiting sequences that fit, then returns the plan of the next step. A plan that is
        not executed does no harm, because the next plan contains the same work.

        - Prompts are prefilled in chunks, some in each step, so that decoding never waits for long.
        - Prompts are ordered by class, then by the number of tokens left, fewest first. So edits that arrive together
          finish one after the other.
        - A prompt counts as `AGEING_TOKENS` tokens shorter for each step that it has waited. So shorter prompts can't
          overtake it forever.
        - Renders of one job have the same prompt. Only the first of them is prefilled, and the others copy its keys and
          values.
        """
        self._step += 1
        self._admit()
        to_place = [sequence for sequence in self._running.values() if not sequence.is_placed]
        decode = [sequence for sequence in self._running.values() if not sequence.num_to_prefill]
        source_of = {sequence.job_id: sequence for sequence in reversed(decode)}
        unfilled = [sequence for sequence in self._running.values() if sequence.num_to_prefill]
        shared = [(source_of[sequence.job_id], sequence) for sequence in unfilled if sequence.job_id in source_of]
        own = [sequence for sequence in unfilled if sequence.job_id not in source_of]
        most_tokens = 1 if unfilled else min((sequence.num_to_sample for sequence in decode), default=1)
        return Batch(to_place, shared, self._prefill(own), decode, most_tokens)

    def count_tokens(self, num_tokens: int) -> None:
        """Counts a step that decoded several tokens as that many steps. All limits of this module are for steps of one
        token.
        """
        self._step += num_tokens - 1

    def remove(self, render_id: RenderId) -> None:
        """Removes a waiting or running sequence and frees its memory. Ignores unknown ids."""
        sequence = self._running.pop(render_id, None)
        if sequence is not None:
            assert sequence.extent
            self._book.release(sequence.extent)
        self._waiting.pop(render_id, None)
        self._latest.pop(render_id, None)
        self._has_changed = True

    def _admit(self) -> None:
        """Gives KV memory to the waiting sequences that may have it now. It goes through them once, in their order.

        The first sequence that gets no memory reserves a range, which later sequences avoid.
        """
        if not self._has_changed:
            return
        self._has_changed = False
        reserved: Extent | None = None
        latest = 0
        for sequence in sorted(self._waiting.values(), key=lambda each: (self._rank(each), each.number)):
            if len(self._running) == self._max_sequences:
                return
            sequence.extent = self._book.book(sequence.num_kv_tokens, avoid=reserved)
            if reserved and not sequence.extent and self._step + self._steps_left(sequence) <= latest:
                sequence.extent = self._book.book(sequence.num_kv_tokens)
            if sequence.extent:
                self._begin(sequence)
            elif reserved is None:
                reserved, latest = self._reserve(sequence)

    def _begin(self, sequence: ArSequence) -> None:
        del self._waiting[sequence.render_id]
        self._latest.pop(sequence.render_id, None)
        sequence.since_step = self._step
        self._running[sequence.render_id] = sequence

    def _reserve(self, sequence: ArSequence) -> tuple[Extent, int]:
        """Reserves a range of KV memory for a waiting sequence. Returns the range, and the latest step at which the
        sequence gets its memory.

        This latest step is fixed at the first reservation. It does not change if a later plan reserves another range.
        """
        left = {each.extent: self._steps_left(each) for each in self._running.values() if each.extent}
        steps, reserved = self._book.soonest(sequence.num_kv_tokens, left.__getitem__)
        return reserved, self._latest.setdefault(sequence.render_id, self._step + steps + BACKFILL_STEPS)

    def _steps_left(self, sequence: ArSequence) -> int:
        """Returns the number of steps until the sequence ends.

        For a sequence whose prompt is not prefilled, the number assumes that the sequence starts now, and that the
        prompts of all running sequences are prefilled first.
        """
        if not sequence.num_to_prefill:
            return sequence.num_to_sample
        unfilled = {each.render_id: each for each in (sequence, *self._running.values())}
        return sum(map(_num_chunks, unfilled.values())) + sequence.num_tokens_total

    def _rank(self, sequence: ArSequence) -> int:
        """Returns the rank of the sequence's class, or of a higher class if the sequence has waited for long."""
        return max(0, sequence.rank - (self._step - sequence.since_step) // PATIENCE_STEPS)

    def _prefill(self, unfilled: Sequence[ArSequence]) -> Sequence[ArSequence]:
        """Returns the sequences that get a prefill chunk in this step: the first one, and more while the chunks
        together have at most `PREFILL_CHUNK` tokens.
        """
        chosen: list[ArSequence] = []
        cost = 0
        for sequence in sorted(_first_of_jobs(unfilled), key=self._prefill_order):
            sequence_cost = max(_SMALLEST_COST, min(PREFILL_CHUNK, sequence.num_to_prefill))
            if not chosen or cost + sequence_cost <= PREFILL_CHUNK:
                chosen.append(sequence)
                cost += sequence_cost
        return chosen

    def _prefill_order(self, sequence: ArSequence) -> tuple[int, int, int]:
        """Returns the key by which prompts are sorted for prefills: first by class, then by tokens left, then by claim.
        A prompt that has waited counts as shorter.

        For that the key adds the step in which the sequence got its memory, instead of subtracting the waiting time.
        The order is the same, because all prompts age at the same rate.
        """
        shortness = sequence.num_to_prefill + AGEING_TOKENS * sequence.since_step
        return self._rank(sequence), shortness, sequence.number


def _first_of_jobs(unfilled: Sequence[ArSequence]) -> Iterator[ArSequence]:
    """Yields, of the sequences whose prompts are not prefilled, the first one of each job.

    The job's other sequences have the same prompt. They wait for that prefill and copy its keys and values.
    """
    first_of: dict[JobId, ArSequence] = {}
    for sequence in unfilled:
        first_of.setdefault(sequence.job_id, sequence)
    yield from first_of.values()


def _num_chunks(sequence: ArSequence) -> int:
    return -(-sequence.num_to_prefill // PREFILL_CHUNK)
