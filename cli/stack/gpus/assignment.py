"""Decides on which GPU each worker stands. Plain arithmetic: it asks no GPU and starts nothing.

The DiT makes the pictures: one AR worker feeds some thirty DiT workers. So every GPU gets a DiT worker first, and an AR
worker stands beside one of them. Where no GPU has room for both, an AR worker and a DiT worker take turns on one GPU.
An AR worker has a GPU alone only if that leaves enough GPUs to keep it busy, or if nothing else wants that GPU.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.stack.gpus.needs import CONTEXT, KV_LEAST, KV_MOST, Needs
from shared.errors import Misconfigured
from shared.jobs.states import Stage

DITS_PER_AR = 30  # docs/performance.md
_DIT_SHARE = 0.9  # of the memory that is left; the rest is for fragmentation
_KV_SHARE = 0.8  # of the memory that all workers of a GPU leave free; the rest is for fragmentation


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, as torch sees it in this environment: its index from 0, its name and its memory in bytes."""

    index: int
    name: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker's place on a GPU. `worker` is the worker's name, such as `dit-3`.

    - `takes_turns`: the worker and a worker of the other stage use the GPU alternately.
    - `has_company`: another worker uses the same GPU.
    - `kv_bytes`: the KV memory of an AR worker that has company, else None.
    - `dit_bytes`: the memory of a DiT worker that has company, else None. It is also None if the two take turns. By it
      the worker decides which sizes it can render, and whether it keeps a copy of its blocks in FP8.
    """

    worker: str
    gpu: Gpu
    takes_turns: bool = False
    has_company: bool = False
    kv_bytes: int | None = None
    dit_bytes: int | None = None


@dataclass(slots=True)
class _Card:
    """A GPU with the workers that it has so far."""

    gpu: Gpu
    needs: Needs
    num_ar: int = 0
    num_dit: int = 0
    takes_turns: bool = False

    @property
    def free(self) -> int:
        return self.gpu.num_bytes - self.num_ar * self.needs.ar - self.num_dit * self.needs.dit

    @property
    def can_take_turns(self) -> bool:
        most = max(self.needs.ar, self.needs.dit + KV_LEAST) + CONTEXT  # both processes keep their context
        return (self.num_ar, self.num_dit) == (0, 1) and most <= self.gpu.num_bytes

    def seats(self, worker: str, stage: Stage) -> Seat:
        has_company = self.num_ar + self.num_dit > 1
        spare = int(_KV_SHARE * self.free) // max(1, self.num_ar)
        kv_bytes = KV_LEAST if self.takes_turns else min(KV_MOST, KV_LEAST + spare)
        if stage is Stage.AR:
            return Seat(worker, self.gpu, self.takes_turns, has_company, kv_bytes if has_company else None)
        shared = self.free - self.num_ar * (kv_bytes - KV_LEAST)  # what AR leaves beside the least needs
        dit_bytes = self.needs.dit + int(_DIT_SHARE * shared) // self.num_dit
        # A DiT worker that is ready before AR would otherwise count on the memory that AR takes later.
        shares = has_company and not self.takes_turns
        return Seat(worker, self.gpu, self.takes_turns, has_company, dit_bytes=dit_bytes if shares else None)


def assign(
    gpus: Sequence[Gpu], needs: Needs, *, num_ar: int | None, num_dit: int | None, may_take_turns: bool = True
) -> Sequence[Seat]:
    """Returns the GPU of every worker, the AR workers first.

    Without `num_dit` there is one DiT worker on each GPU with room for it. Without `num_ar` there is one AR worker for
    every thirty DiT workers. Raises `Misconfigured` if the workers don't fit on the GPUs.
    """
    cards = [_Card(gpu, needs) for gpu in gpus]
    where = list(_dit_cards(cards, num_dit))
    num_ar = max(1, math.ceil(len(where) / DITS_PER_AR)) if num_ar is None else num_ar
    ar_cards = [_ar_card(cards, may_take_turns, where if num_dit is None else None) for _ in range(num_ar)]
    seats = [card.seats(f"ar-{index}", Stage.AR) for index, card in enumerate(ar_cards)]
    return [*seats, *(card.seats(f"dit-{index}", Stage.DIT) for index, card in enumerate(where))]


def _dit_cards(cards: Sequence[_Card], wanted: int | None) -> Iterator[_Card]:
    """Yields the GPU of each DiT worker: those with the fewest DiT workers first, then those with the most memory."""
    need = cards[0].needs.dit if cards else 0
    count = sum(card.free >= need for card in cards) if wanted is None else wanted
    if wanted is None and not count:
        raise Misconfigured(f"no GPU has room for a DiT worker, which needs {_gb(need)}: docs/devices.md")
    for number in range(count):
        free = [card for card in cards if card.free >= need]
        if not free:
            raise Misconfigured(
                f"{count} DiT workers of {_gb(need)} do not fit on {_described(cards)}: at most {number}"
            )
        card = min(free, key=lambda card: (card.num_dit, -card.free))
        card.num_dit += 1
        yield card


def _ar_card(cards: Sequence[_Card], may_take_turns: bool, removable: list[_Card] | None) -> _Card:
    """Returns the GPU of one more AR worker.

    `removable` has the GPUs of the DiT workers, from which one may be removed to make room. None means that none may.
    """
    if free := [card for card in cards if card.free >= card.needs.ar]:
        card = min(free, key=lambda card: (card.num_dit > 0, card.num_ar, -card.free))
        card.num_ar += 1
        return card
    shareable = [card for card in cards if card.can_take_turns]
    is_worth_a_card = removable is not None and len(removable) > DITS_PER_AR
    if shareable and may_take_turns and not is_worth_a_card:
        card = shareable[0]
        card.takes_turns, card.num_ar = True, 1
        return card
    if removable and len(removable) > 1:
        roomy = [card for card in removable if card.gpu.num_bytes >= card.needs.ar and not card.num_ar]
        if roomy:
            removable.remove(roomy[-1])
            roomy[-1].num_dit, roomy[-1].num_ar = 0, 1
            return roomy[-1]
    if not cards:
        raise Misconfigured("an AR worker does not fit on no GPU")
    need, most = cards[0].needs.ar, max(card.free for card in cards)
    missing = f"{_gb(need - most)} are missing"
    raise Misconfigured(f"an AR worker of {_gb(need)} does not fit on {_described(cards)}: {missing}")


def describe(gpus: Sequence[Gpu], seats: Sequence[Seat]) -> Iterator[str]:
    """Yields one line for each GPU that says which workers stand on it."""
    for gpu in gpus:
        here = [seat for seat in seats if seat.gpu.index == gpu.index]
        names = ", ".join(seat.worker for seat in here) or "no worker (--dit-workers adds some)"
        turns = ", which take turns" if any(seat.takes_turns for seat in here) else ""
        yield f"GPU {gpu.index}, {gpu.name} with {_gb(gpu.num_bytes)}: {names}{turns}"


def _described(cards: Sequence[_Card]) -> str:
    sizes = ", ".join(f"GPU {card.gpu.index} with {_gb(card.gpu.num_bytes)}" for card in cards)
    return f"{sizes} beside the other workers" if sizes else "no GPU"


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
