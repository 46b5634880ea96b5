"""Who is prefilled and who is decoded in the next step. Plain Python: no tensors, no clock."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import RenderFailed
from shared.ids import JobId, RenderId
from workers.ar.kv_book import KvBook
from workers.ar.sequence import ArSequence

PREFILL_CHUNK = 512  # tokens of a prompt at once, and of all prompts in a step
_SMALLEST_COST = 64  # a chunk reads all weights, which takes the time of about so many tokens however short it is


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
    """Admits in the order of the claims, which is class, then fair share, then age.

    A sequence that does not fit yet waits at the head and nobody passes it, so what comes free is its own: small ones
    cannot starve a large one. Its turn comes because every running sequence ends after a known number of steps.
    """

    def __init__(self, book: KvBook, max_sequences: int) -> None:
        self._book = book
        self._max_sequences = max_sequences
        self._waiting: deque[ArSequence] = deque()
        self._running: OrderedDict[RenderId, ArSequence] = OrderedDict()

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
        self._waiting.append(sequence)

    def next_batch(self) -> Batch:
        """Admits what fits, then plans the step. A plan that is given up costs nothing: the next one makes up for it.

        Prompts are prefilled in chunks, some each step, so that decoding never waits for long. The prompt of which
        least is prefilled goes first, so a short one never waits for all of a very long one.
        Renders of one job have one prompt: the first is prefilled, the others copy from it once it is.
        """
        self._admit()
        to_place = [sequence for sequence in self._running.values() if not sequence.is_placed]
        decode = [sequence for sequence in self._running.values() if not sequence.num_to_prefill]
        source_of = {sequence.job_id: sequence for sequence in reversed(decode)}
        unfilled = [sequence for sequence in self._running.values() if sequence.num_to_prefill]
        shared = [(source_of[sequence.job_id], sequence) for sequence in unfilled if sequence.job_id in source_of]
        own = [sequence for sequence in unfilled if sequence.job_id not in source_of]
        return Batch(to_place, shared, _prefill(own), decode)

    def remove(self, render_id: RenderId) -> None:
        """Forgets a sequence, wherever it is, and gives its memory back. Unknown ids are ignored."""
        sequence = self._running.pop(render_id, None)
        if sequence is not None:
            assert sequence.extent
            self._book.release(sequence.extent)
        self._waiting = deque(other for other in self._waiting if other.render_id != render_id)

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._max_sequences:
            head = self._waiting[0]
            head.extent = self._book.book(head.num_kv_tokens)
            if head.extent is None:
                break
            self._running[head.render_id] = self._waiting.popleft()


def _prefill(unfilled: Sequence[ArSequence]) -> Sequence[ArSequence]:
    """Who gets a chunk in this step. Renders that share a prompt wait for the first of them."""
    first_of: dict[JobId, ArSequence] = {}
    for sequence in unfilled:
        first_of.setdefault(sequence.job_id, sequence)
    chosen: list[ArSequence] = []
    cost = 0
    for sequence in sorted(first_of.values(), key=lambda sequence: sequence.num_prefilled):
        cost += max(_SMALLEST_COST, min(PREFILL_CHUNK, sequence.num_to_prefill))
        if chosen and cost > PREFILL_CHUNK:
            break
        chosen.append(sequence)
    return chosen
