"""What goes wrong, where and when: a pure function of a seed. Touches no process."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

WORKERS = ("ar-0", "ar-1", "dit-0", "dit-1", "dit-far")
FAR_WORKER = "dit-far"  # the one that no supervisor sees
STORES = ("valkey-0", "seaweedfs-0")
REACHING = (*WORKERS, "api-0", "delivery-0", "batch-0", "upkeep-0")  # whose connections to the stores can be hit


class Way(StrEnum):
    """Whose packets are dropped, as seen from a role: those to the stores, those from them, or both."""

    TO = "to"
    FROM = "from"
    BOTH = "both"


class Kind(StrEnum):
    """What can be done to a role. `KILL` is SIGKILL, `TERM` SIGTERM."""

    KILL = "kill"
    TERM = "term"
    FREEZE = "freeze"
    CUT = "cut"
    SILENCE = "silence"
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
    way: Way = Way.BOTH


@dataclass(frozen=True, slots=True)
class Pace:
    """Mean seconds between faults, and how long the lasting ones take. A freeze outlasts a lease."""

    gap_s: float
    lease_ttl_s: float
    outage_s: float
    silence_s: tuple[float, float]

    def lasts_s(self, kind: Kind, role: str, rng: random.Random) -> float:
        if kind is Kind.SILENCE:
            return silence_s(self.silence_s, rng)
        if kind is Kind.FREEZE and role == "seaweedfs-0":
            return self.outage_s
        return 1.5 * self.lease_ttl_s if kind is Kind.FREEZE else 0.0


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
    (Kind.CUT, "reaching"): 3,
    (Kind.SILENCE, "reaching"): 3,
    (Kind.SILENCE, "valkey-0"): 1,
    (Kind.SILENCE, "seaweedfs-0"): 1,
    (Kind.FILL_DISK, "valkey-0"): 1,
}
_GROUPS = {"worker": WORKERS, "reaching": REACHING}
MIN_KILLS = len(_ENDED) + 1


def schedule(seed: int, num_kills: int, pace: Pace) -> tuple[Fault, ...]:
    """`num_kills` ended processes (at least `MIN_KILLS`) and the other faults among them, in random order."""
    assert num_kills >= MIN_KILLS
    rng = random.Random(seed)
    deck = list(_deck(num_kills))
    rng.shuffle(deck)
    return tuple(_fault(kind, where, pace, rng) for kind, where in deck)


def silences(seed: int, roles: Sequence[str], bounds_s: tuple[float, float]) -> tuple[Fault, ...]:
    """One silence for each of the roles, in random order, of random ways and lengths."""
    rng = random.Random(f"silences {seed}")
    shuffled = rng.sample(roles, len(roles))
    return tuple(Fault(Kind.SILENCE, role, 0.0, silence_s(bounds_s, rng), rng.choice(list(Way))) for role in shuffled)


def silence_s(bounds_s: tuple[float, float], rng: random.Random) -> float:
    """Short and long ones alike: as many from 1 to 6 s as from 6 to 40."""
    low_s, high_s = bounds_s
    return low_s * (high_s / low_s) ** rng.random()


def _deck(num_kills: int) -> Iterator[tuple[Kind, str]]:
    ended = {card: _times(share, num_kills) for card, share in _ENDED.items()}
    besides = {card: _times(share, num_kills) for card, share in _BESIDES.items()}
    ended[Kind.KILL, "worker"] = num_kills - sum(ended.values())
    for card, times in (ended | besides).items():
        yield from [card] * times


def _times(share: int, num_kills: int) -> int:
    return max(1, share * num_kills // 100)


def _fault(kind: Kind, where: str, pace: Pace, rng: random.Random) -> Fault:
    role = rng.choice(_GROUPS[where]) if where in _GROUPS else where
    way = rng.choice(list(Way)) if kind is Kind.SILENCE else Way.BOTH
    return Fault(kind, role, rng.uniform(0.5, 1.5) * pace.gap_s, pace.lasts_s(kind, role, rng), way)
