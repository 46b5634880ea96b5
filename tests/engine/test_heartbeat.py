"""The heartbeat renews only for an engine that moves, and revokes what is not ours any more."""

from collections.abc import Mapping, Sequence

from shared.errors import StoreUnavailable
from shared.ids import RenderId
from shared.leases import Held, Lease, Progress
from tests.engine.fakes import a_claim
from workers.engine.heartbeat import Heartbeat

HELD = [Held(a_claim(name).lease, Progress(1, 2), in_step=True) for name in ("mine", "theirs")]


class Recorded:
    def __init__(self, *, is_away: bool = False, hangs: bool = False) -> None:
        self.is_away = is_away
        self.beats: list[Sequence[Held]] = []
        self.revoked: list[Lease] = []
        self.hangs: list[str] = []
        self.heartbeat = Heartbeat(
            self.beat,
            held=lambda: HELD,
            revoke=self.revoked.extend,
            is_alive=lambda _: not hangs,
            on_hang=lambda: self.hangs.append("hung"),
            interval_s=3600,
        )

    def beat(self, held: Sequence[Held]) -> Mapping[RenderId, bool]:
        self.beats.append(held)
        if self.is_away:
            raise StoreUnavailable("gone")
        return {each.lease.render_id: each.lease.render_id == "mine" for each in held}


def test_only_renders_that_are_not_ours_any_more_are_revoked() -> None:
    recorded = Recorded()
    recorded.heartbeat.tick(now_s=0)
    assert recorded.beats == [HELD]
    assert recorded.revoked == [a_claim("theirs").lease]
    assert recorded.hangs == []


def test_a_store_that_is_away_revokes_nothing() -> None:
    recorded = Recorded(is_away=True)
    recorded.heartbeat.tick(now_s=0)
    assert recorded.revoked == []


def test_a_hanging_engine_renews_nothing_and_is_reported() -> None:
    recorded = Recorded(hangs=True)
    recorded.heartbeat.tick(now_s=0)
    assert recorded.beats == []
    assert recorded.hangs == ["hung"]


def test_an_unforeseen_error_costs_one_beat_and_not_the_heart() -> None:
    recorded = Recorded()

    def fail(_: Sequence[Held]) -> Mapping[RenderId, bool]:
        raise PermissionError("NOPERM")

    recorded.heartbeat._beat = fail
    recorded.heartbeat.tick(now_s=0)
    assert recorded.revoked == []


def test_a_report_is_a_beat_that_began_after_it_was_asked_for() -> None:
    recorded = Recorded()
    recorded.heartbeat.start()
    for _ in range(3):
        known = len(recorded.beats)
        recorded.heartbeat.report()
        assert len(recorded.beats) > known
    recorded.heartbeat.stop()
