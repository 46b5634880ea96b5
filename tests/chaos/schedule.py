"""What goes wrong, where and when: a pure function of a seed. Touches no process."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

WORKERS = ("ar-0", "ar-1", "dit-0", "dit-1", "dit-far")
FAR_WORKER = "dit-far"  # the one that reaches the store through a proxy


class Kind(StrEnum):
    """What can be done to a role. `KILL` is SIGKILL, `TERM` SIGTERM."""

    KILL = "kill"
    TERM = "term"
    FREEZE = "freeze"
    CUT = "cut"
    BLACK_HOLE = "black_hole"
    FILL_DISK = "fill_disk"

    @property
    def ends_a_process(self) -> bool:
        return self in (Kind.KILL, Kind.TERM)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong `after_s` seconds after the one before it, and lasts for `lasts_s`."""

    kind: Kind
    role: str
    after_s: float
    lasts_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    """Mean seconds between faults, and how long the lasting ones take. A freeze outlasts a lease."""

    gap_s: float
    lease_ttl_s: float
    outage_s: float

    def lasts_s(self, kind: Kind, role: str) -> float:
        if kind is Kind.FREEZE and role == "seaweedfs-0":
            return self.outage_s
        return 1.5 * self.lease_ttl_s if kind in (Kind.FREEZE, Kind.BLACK_HOLE) else 0.0


# Of 100 ended processes; the rest are workers killed. Every kind happens at least once.
_ENDED: Mapping[tuple[Kind, str], int] = {
    (Kind.TERM, "worker"): 14,
    (Kind.KILL, "api-0"): 5,
    (Kind.TERM, "api-0"): 2,
    (Kind.KILL, "delivery-0"): 4,
    (Kind.TERM, "delivery-0"): 2,
    (Kind.KILL, "upkeep-0"): 4,
    (Kind.KILL, "valkey-0"): 3,
    (Kind.TERM, "valkey-0"): 3,
    (Kind.KILL, "seaweedfs-0"): 3,
    (Kind.KILL, "supervisor"): 1,
}
# Besides them, for every 100.
_BESIDES: Mapping[tuple[Kind, str], int] = {
    (Kind.FREEZE, "worker"): 4,
    (Kind.FREEZE, "seaweedfs-0"): 1,
    (Kind.FREEZE, "valkey-0"): 2,
    (Kind.CUT, FAR_WORKER): 3,
    (Kind.BLACK_HOLE, FAR_WORKER): 2,
    (Kind.FILL_DISK, "valkey-0"): 1,
}
MIN_KILLS = len(_ENDED) + 1


def schedule(seed: int, num_kills: int, pace: Pace) -> tuple[Fault, ...]:
    """`num_kills` ended processes (at least `MIN_KILLS`) and the other faults among them, in random order."""
    assert num_kills >= MIN_KILLS
    rng = random.Random(seed)
    deck = list(_deck(num_kills))
    rng.shuffle(deck)
    return tuple(_fault(kind, where, pace, rng) for kind, where in deck)


def _deck(num_kills: int) -> Iterator[tuple[Kind, str]]:
    ended = {card: _times(share, num_kills) for card, share in _ENDED.items()}
    besides = {card: _times(share, num_kills) for card, share in _BESIDES.items()}
    ended[Kind.KILL, "worker"] = num_kills - sum(ended.values())
    for card, times in (ended | besides).items():
        yield from [card] * times


def _times(share: int, num_kills: int) -> int:
    return max(1, share * num_kills // 100)


def _fault(kind: Kind, where: str, pace: Pace, rng: random.Random) -> Fault:
    role = rng.choice(WORKERS) if where == "worker" else where
    return Fault(kind, role, rng.uniform(0.5, 1.5) * pace.gap_s, pace.lasts_s(kind, role))
