"""The heartbeat renews only for an engine that moves, and revokes what is not ours any more."""

import queue
import threading
from collections.abc import Mapping, Sequence

from shared.errors import StoreUnavailable
from shared.ids import RenderId
from shared.jobs.leases import Lease, Progress, RenderReport
from tests.workers.engine.fakes import a_claim
from workers.engine.heartbeat import Heartbeat

WAIT_S = 30.0  # a bound for a hung test, never reached by a passing one
HELD = [RenderReport(a_claim(name).lease, Progress(1, 2), in_step=True) for name in ("mine", "theirs")]


class Recorded:
    def __init__(self, *, is_away: bool = False, hangs: bool = False) -> None:
        self.is_away = is_away
        self.beats: list[Sequence[RenderReport]] = []
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

    def beat(self, held: Sequence[RenderReport]) -> Mapping[RenderId, bool]:
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

    def fail(_: Sequence[RenderReport]) -> Mapping[RenderId, bool]:
        raise PermissionError("NOPERM")

    recorded.heartbeat._beat = fail
    recorded.heartbeat.tick(now_s=0)
    assert recorded.revoked == []


def test_a_report_waits_for_no_store_and_a_beat_follows_that_began_after_it() -> None:
    recorded, begun, answer = Recorded(), queue.SimpleQueue[int](), threading.Semaphore(0)

    def slow_beat(held: Sequence[RenderReport]) -> Mapping[RenderId, bool]:
        begun.put(len(held))
        answer.acquire()
        return {each.lease.render_id: True for each in held}

    recorded.heartbeat._beat = slow_beat
    recorded.heartbeat.start()
    begun.get(timeout=WAIT_S)
    recorded.heartbeat.report()  # returns while the store has not answered the first
    answer.release()
    begun.get(timeout=WAIT_S)
    answer.release()
    recorded.heartbeat.stop()
