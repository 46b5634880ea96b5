"""Simulates both stages on one GPU, on a virtual clock: the cost of moving weights, and the waits for a turn on the
GPU.

`python -m benchmarks.one_card` prints the table of docs/devices.md, in seconds.
"""

import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Protocol

from rich.console import Console
from rich.table import Table

from workers.engine.device_turns import Demand, MoveTimes, TurnRules

MOVE_S = (0.72, 0.57)  # time to move 18 GB of AR weights and 14.2 GB of DiT weights over PCIe 4.0 at 25 GB/s
SLOWER = 5  # host memory that is not pinned
AR_ROWS = 32
AR_STEPS, AR_STEP_S = 80, 0.4  # a simulated step stands for 16 tokens; 32 pictures of 1024x1024 take 32 s together
DIT_STEPS, DIT_STEP_S = 25, 0.4  # a picture of 1024x1024 takes 10 s
MOST_BULK_FOR_DIT = 16  # batch renders that may wait for the DiT (GRIDPRESS_PRIOR_READY_LIMIT)
DIT_SLOTS = 2


class Rules(Protocol):
    def is_over(self, ours: Demand, theirs: Demand, held_s: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Slices:
    """The rule before `TurnRules`: a turn ends after a fixed time, whatever waits."""

    slice_s: float = 10.0

    def is_over(self, ours: Demand, theirs: Demand, held_s: float) -> bool:
        return held_s >= self.slice_s


@dataclass(slots=True, eq=False)
class Picture:
    rank: int
    at_s: float
    num_left: int = AR_STEPS
    ended_s: float = float("inf")


@dataclass(slots=True)
class Side:
    """One engine with its renders, in the order in which it takes them. `together` of them share a step."""

    together: int
    slots: int
    step_s: float
    renders: list[Picture] = field(default_factory=list)

    def want(self) -> Demand | None:
        """Returns the work that the engine wants: its most urgent class, and the seconds of work.

        Renders that have begun keep their place in their class.
        """
        self.renders.sort(key=lambda picture: picture.rank)
        held = self.renders[: self.slots]
        if not held:
            return None
        num_steps = sum(picture.num_left for picture in held) / min(self.together, len(held))
        return Demand(held[0].rank, num_steps * self.step_s)

    def step(self) -> Sequence[Picture]:
        """Computes one step and returns the renders that it finishes."""
        for picture in self.renders[: self.together]:
            picture.num_left -= 1
        ended = [picture for picture in self.renders if not picture.num_left]
        self.renders = [picture for picture in self.renders if picture.num_left]
        return ended


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of an engine on the GPU, in seconds. `waited_s` counts since the engine wanted work of this rank.

    `is_cut` means that the engine had more work at the end of the turn.
    """

    side: int
    rank: int
    waited_s: float
    lasted_s: float
    is_cut: bool


@dataclass(slots=True)
class Card:
    """Simulates two engines that share one GPU. Time passes only while the GPU computes or weights move.

    Each engine measures its moves of weights, and its turns end by `TurnRules` with the mean of these times, as in a
    worker. `rules` replaces these rules. A move takes the time of its side in `move_s`, times the next of `factors`.
    """

    rules: Rules | None
    move_s: tuple[float, float]
    factors: Iterator[float] = field(default_factory=lambda: repeat(1.0))
    moves: tuple[MoveTimes, MoveTimes] = field(default_factory=lambda: (MoveTimes(), MoveTimes()))
    now_s: float = 0.0
    moving_s: float = 0.0
    idle_s: float = 0.0
    sides: tuple[Side, Side] = field(
        default_factory=lambda: (Side(AR_ROWS, AR_ROWS, AR_STEP_S), Side(1, DIT_SLOTS, DIT_STEP_S))
    )
    done: list[Picture] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    _holder: int | None = None
    _since_s: float = 0.0
    _got: tuple[int, float] = (0, 0.0)
    _wanted: list[dict[int, float]] = field(default_factory=lambda: [{}, {}])

    def run(self, arrivals: Sequence[Picture], until_s: float) -> None:
        """Runs the arrivals, which go to AR in order of time.

        Batch renders wait while enough of them wait for the DiT.
        """
        coming_in = deque(sorted(arrivals, key=lambda picture: picture.at_s))
        waiting_bulk = deque[Picture]()
        while self.now_s < until_s:
            while coming_in and coming_in[0].at_s <= self.now_s:
                picture = coming_in.popleft()
                (waiting_bulk if picture.rank else self.sides[0].renders).append(picture)
            self._admit_bulk(waiting_bulk)
            if not self._advance():
                if not coming_in:
                    return
                self.idle_s += coming_in[0].at_s - self.now_s
                self.now_s = coming_in[0].at_s

    def _admit_bulk(self, bulk: deque[Picture]) -> None:
        ar, dit = self.sides
        while bulk and len(dit.renders) < MOST_BULK_FOR_DIT and len(ar.renders) < AR_ROWS:
            ar.renders.append(bulk.popleft())

    def _advance(self) -> bool:
        """Computes one step, with the moves of weights before it. Returns whether there was work."""
        wants = [side.want() for side in self.sides]
        for side, want in enumerate(wants):
            self._note_wait(side, want)
        if self._holder is not None:
            ours, theirs = wants[self._holder], wants[1 - self._holder]
            held_s = self.now_s - self._since_s
            if ours is None or (theirs and self.rules_of(self._holder).is_over(ours, theirs, held_s)):
                self._end_turn(is_cut=ours is not None)
                first = self._holder = None if theirs is None else 1 - self._holder
                if first is not None:
                    self._take(first, wants)
        if self._holder is None:
            if wants == [None, None]:
                return False
            self._take(0 if wants[0] else 1, wants)
        assert self._holder is not None
        side = self.sides[self._holder]
        self.now_s += side.step_s
        for picture in side.step():
            self._leave(picture)
        return True

    def rules_of(self, side: int) -> Rules:
        """Returns the rules by which a turn of this side ends now."""
        if self.rules:
            return self.rules
        move_s = self.moves[side].mean_s
        assert move_s is not None
        return TurnRules(move_s=move_s)

    def _leave(self, picture: Picture) -> None:
        if self._holder == 0:
            picture.num_left = DIT_STEPS
            self.sides[1].renders.append(picture)
        else:
            picture.ended_s = self.now_s
            self.done.append(picture)

    def _take(self, side: int, wants: Sequence[Demand | None]) -> None:
        want = wants[side]
        assert want
        took_s = self.move_s[side] * next(self.factors)
        self.moves[side].note(took_s)
        self.now_s += took_s
        self.moving_s += took_s
        self._holder, self._since_s = side, self.now_s
        self._got = want.rank, self.now_s - self._wanted[side].get(want.rank, self.now_s)
        self._wanted[side].clear()

    def _end_turn(self, *, is_cut: bool) -> None:
        assert self._holder is not None
        rank, waited_s = self._got
        self.turns.append(Turn(self._holder, rank, waited_s, self.now_s - self._since_s, is_cut))

    def _note_wait(self, side: int, want: Demand | None) -> None:
        """Records since when an engine without the GPU has wanted work of this rank or of a more urgent one."""
        known = self._wanted[side]
        if want is None or side == self._holder:
            known.clear()
        else:
            self._wanted[side] = {want.rank: known.get(want.rank, self.now_s)}


def mixed_arrivals(dice: random.Random, *, people_a_minute: float, num_bulk: int, until_s: float) -> list[Picture]:
    """Draws interactive renders that arrive at random, and batch renders that all wait from the beginning."""
    pictures, now_s = [Picture(1, 0.0) for _ in range(num_bulk)], 0.0
    while people_a_minute and (now_s := now_s + dice.expovariate(people_a_minute / 60)) < until_s:
        pictures.append(Picture(0, now_s))
    return pictures


def measured(
    rules: Rules | None, move_s: tuple[float, float], people_a_minute: float, num_bulk: int
) -> Mapping[str, float]:
    """Simulates two hours.

    Returns pictures and moves per hour, the share of moving, and waits of interactive renders.
    """
    until_s = 2 * 3600.0
    card = Card(rules, move_s)
    card.run(
        mixed_arrivals(random.Random(7), people_a_minute=people_a_minute, num_bulk=num_bulk, until_s=until_s), until_s
    )
    waits_s = sorted(turn.waited_s for turn in card.turns if turn.rank == 0) or [0.0]
    taken_s = sorted(picture.ended_s - picture.at_s for picture in card.done if picture.rank == 0) or [0.0]
    hours = until_s / 3600
    return {
        "pictures an hour": len(card.done) / hours,
        "moves an hour": len(card.turns) / hours,
        "moving, share of busy time": card.moving_s / (card.now_s - card.idle_s),
        "person's turn, longest wait (s)": waits_s[-1],
        "person's picture, p50 (s)": taken_s[len(taken_s) // 2],
        "person's picture, p95 (s)": taken_s[int(0.95 * (len(taken_s) - 1))],
    }


LOADS = {"bulk only": (0.0, 2000), "2 people a minute beside bulk": (2.0, 2000), "people only, 4 a minute": (4.0, 0)}


def one_card() -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """Returns the figures by load and rule.

    The rule `no moving` shows what the GPU could do if both models fitted into its memory.
    """
    rules: Mapping[str, tuple[Rules | None, tuple[float, float]]] = {
        "no moving": (TurnRules(), (0.0, 0.0)),
        "turns by what waits": (None, MOVE_S),
        "turns by what waits, weights move at 5 GB/s": (None, (SLOWER * MOVE_S[0], SLOWER * MOVE_S[1])),
        "slices of 10 s": (Slices(), MOVE_S),
    }
    return {
        load: {name: measured(rule, move_s, *demand) for name, (rule, move_s) in rules.items()}
        for load, demand in LOADS.items()
    }


def table_of(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """Returns the table that is printed and that docs/devices.md shows."""
    columns = next(iter(next(iter(results.values())).values()))
    table = Table("load", "rule", *columns)
    for load, by_rule in results.items():
        for rule, figures in by_rule.items():
            table.add_row(load, rule, *(f"{value:.3g}" for value in figures.values()))
    return table


if __name__ == "__main__":
    Console(width=180).print(table_of(one_card()))
