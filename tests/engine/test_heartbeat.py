"""The heartbeat renews only for an engine that moves, and revokes what is not ours any more."""

from collections.abc import Mapping, Sequence

from shared.errors import StoreUnavailable
from shared.ids import RenderId
from shared.jobs import Lease, Progress
from tests.engine.fakes import a_claim
from workers.engine.heartbeat import Heartbeat
from workers.engine.watchdog import LIMITS_S, Phase, Watchdog

HELD = [(a_claim(name).lease, Progress(1, 2)) for name in ("mine", "theirs")]


class Recorded:
    def __init__(self, *, is_away: bool = False) -> None:
        self.is_away = is_away
        self.beats: list[Sequence[tuple[Lease, Progress]]] = []
        self.revoked: list[RenderId] = []
        self.watchdog = Watchdog()
        self.heartbeat = Heartbeat(
            self.beat,
            held=lambda: HELD,
            revoke=self.revoked.extend,
            is_alive=self.watchdog.is_satisfied,
            interval_s=1,
        )

    def beat(self, held: Sequence[tuple[Lease, Progress]]) -> Mapping[RenderId, bool]:
        self.beats.append(held)
        if self.is_away:
            raise StoreUnavailable("gone")
        return {lease.render_id: lease.render_id == "mine" for lease, _ in held}


def test_only_renders_that_are_not_ours_any_more_are_revoked() -> None:
    recorded = Recorded()
    recorded.heartbeat.tick(now_s=0)
    assert recorded.beats == [HELD]
    assert recorded.revoked == ["theirs"]


def test_a_store_that_is_away_revokes_nothing() -> None:
    recorded = Recorded(is_away=True)
    recorded.heartbeat.tick(now_s=0)
    assert recorded.revoked == []


def test_a_hanging_engine_renews_nothing() -> None:
    recorded = Recorded()
    recorded.watchdog.enter(Phase.STEP, now_s=100)
    recorded.heartbeat.tick(now_s=100 + LIMITS_S[Phase.STEP] + 1)
    assert recorded.beats == []


def test_a_first_step_may_compile_for_longer_than_a_step_and_idling_never_hangs() -> None:
    watchdog = Watchdog()
    long_step_s = LIMITS_S[Phase.STEP] + 1
    watchdog.enter(Phase.FIRST_STEP, 0)
    assert watchdog.is_satisfied(long_step_s)
    watchdog.enter(Phase.IDLE, 0)
    assert watchdog.is_satisfied(1e9)


def test_an_unforeseen_error_costs_one_beat_and_not_the_heart() -> None:
    recorded = Recorded()

    def fail(_: Sequence[tuple[Lease, Progress]]) -> Mapping[RenderId, bool]:
        raise PermissionError("NOPERM")

    recorded.heartbeat._beat = fail
    recorded.heartbeat.tick(now_s=0)
    assert recorded.revoked == []
