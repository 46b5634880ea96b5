"""The store's clock is set: what is due is due when it was. Moments that people named stay what they are."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from shared.access.limits import TenantLimits
from shared.batches.batch import LineJob
from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT, TenantId, new_job_id
from shared.jobs.job import Job
from shared.jobs.states import RenderState
from shared.store.access.rate_limits import RateLimits
from shared.store.core import steady_clock
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.scripts import Scripts
from shared.store.core.steady_clock import SteadyClock
from shared.store.idempotency.lost_responses import Expected, Held, UndeliveredStore
from shared.store.idempotency.requests import Begun, IdempotencyStore, Reservation, Reused, StoredResponse
from shared.store.jobs.submission import LineSubmission
from tests.shared.store.builders import a_spec
from tests.shared.store.clocks import START_MS, StoreClock
from tests.shared.store.crashes import Worker
from tests.shared.store.world import World

JUMPS_S = [3600.0, -3600.0, 5.0, -5.0, 30 * 86400.0]


class Time:
    """Time passes for the store and for the machine alike; the store's clock alone is set."""

    def __init__(self, wall: StoreClock, client: Client) -> None:
        self.wall = wall
        self.ticks_ms = 5_000
        self._keeper = Scripts(client).clock

    def set_back_or_forth(self, by_s: float) -> None:
        self.wall.advance(by_s)

    def pass_unseen(self, seconds: float) -> None:
        """Nobody looks at the clock."""
        self.wall.advance(seconds)
        self.ticks_ms += round(seconds * 1000)

    def pass_by(self, seconds: float, each_tick: Callable[[], object] = lambda: None) -> None:
        """Upkeep looks at the clock again and again."""
        while seconds > 0:
            step_s = min(seconds, 1.5)
            seconds -= step_s
            self.pass_unseen(step_s)
            self._keeper.keep()
            each_tick()


@pytest.fixture
def world(still_clock: None, client: Client) -> World:
    return World.of_valkey(client)


@pytest.fixture
def time(world: World, client: Client, monkeypatch: pytest.MonkeyPatch) -> Time:
    assert isinstance(world.clock, StoreClock)
    made = Time(world.clock, client)
    monkeypatch.setattr(steady_clock, "_ticks_ms", lambda: made.ticks_ms)
    monkeypatch.setattr(steady_clock, "_PAUSE_S", 0)
    made.pass_by(1)
    return made


def running(world: World, **limits: object) -> tuple[Job, Worker]:
    job = world.jobs.submit(new_job_id(), a_spec(**limits))
    worker = Worker(world, "w")
    worker.take(1)
    return job, worker


def state_of(world: World, job: Job) -> RenderState:
    return world.job(job.job_id).renders[0].state


@pytest.mark.attack
@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_a_limit_of_time_counts_the_time_that_passed(world: World, time: Time, jump_s: float) -> None:
    job, worker = running(world, execution_timeout_s=60)
    time.pass_by(20)
    time.set_back_or_forth(jump_s)
    worker.beat(done=1)  # before upkeep has looked
    assert world.upkeep.expire() == 0
    time.pass_by(38, lambda: worker.beat(done=2))
    assert state_of(world, job) is RenderState.PRIOR_RUNNING
    time.pass_by(3, world.upkeep.expire)
    assert state_of(world, job) is RenderState.EXPIRED


@pytest.mark.attack
@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_what_waits_for_its_time_is_due_when_it_was(world: World, time: Time, jump_s: float, client: Client) -> None:
    running(world)
    client.zadd("gridpress:doomed", {"job_x|t": time.wall.now_ms() + 5000})
    time.set_back_or_forth(jump_s)
    assert Scripts(client).run("due_deletions", 1) == []
    time.pass_by(4)
    assert Scripts(client).run("due_deletions", 1) == []
    time.pass_by(1.5)
    assert Scripts(client).run("due_deletions", 1) == ["job_x|t"]


def begun(client: Client, body: str = "body") -> Begun:
    store = IdempotencyStore(client, kept_for_s=60, lease_s=30)
    return store.begin(DEFAULT_TENANT, "/v1/jobs", "key", body, "job_of_this_request")


@pytest.mark.attack
@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_an_idempotency_key_is_kept_for_the_time_that_passed(
    world: World, time: Time, jump_s: float, client: Client
) -> None:
    first = begun(client)
    assert isinstance(first, Reservation)
    IdempotencyStore(client, kept_for_s=60).keep(first, StoredResponse(202, {}, "{}"))
    [key] = client.keys("gridpress:idempotency:*")
    assert client.pttl(key) == -1  # by the wall clock it never ends
    time.set_back_or_forth(jump_s)
    time.pass_by(57, world.upkeep.purge_idempotency)
    assert isinstance(begun(client), StoredResponse)
    time.pass_by(5, world.upkeep.purge_idempotency)
    assert client.keys("gridpress:idempotency*") == []


@pytest.mark.attack
def test_a_refused_request_frees_its_key_once_an_overtaken_one_has_surely_ended(
    world: World, time: Time, client: Client
) -> None:
    store = IdempotencyStore(client, kept_for_s=36_000, lease_s=0)
    for _ in range(2):
        second = store.begin(DEFAULT_TENANT, "/v1/jobs", "key", "body", "job")
    assert isinstance(second, Reservation)
    store.forget(second)
    assert isinstance(begun(client, "corrected"), Reused)
    time.pass_unseen(901)
    assert isinstance(begun(client, "corrected"), Reservation)


@pytest.mark.attack
def test_a_clock_that_is_set_back_locks_no_tenant_out(client: Client) -> None:
    limits, tenant = TenantLimits(requests_per_minute=2), TenantId("acme")
    used = RateLimits(client)
    verdicts = [used.use_request(tenant, limits) for _ in range(3)]
    assert [verdict.refusal is None for verdict in verdicts if verdict] == [True, True, False]
    for key in client.keys("gridpress:used*"):
        client.pexpire(key, client.pttl(key) + 3_600_000)  # as a clock that is an hour back makes it
    verdict = used.use_request(tenant, limits)
    assert verdict
    assert verdict.refusal is None


@pytest.mark.attack
@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_job_that_a_dead_request_held_is_its_retrys_after_the_lease(
    time: Time, jump_s: float, client: Client, world: World
) -> None:
    store, job_id = UndeliveredStore(client, lease_s=20), new_job_id()
    store.expect(DEFAULT_TENANT, "fingerprint", job_id)
    assert isinstance(store.attach(DEFAULT_TENANT, "fingerprint"), Held)
    time.set_back_or_forth(jump_s)
    time.pass_by(18)
    assert isinstance(store.attach(DEFAULT_TENANT, "fingerprint"), Held)
    time.pass_by(3)
    assert isinstance(store.attach(DEFAULT_TENANT, "fingerprint"), Expected)


@pytest.mark.attack
@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_deadline_is_the_moment_that_was_named(world: World, time: Time, jump_s: float) -> None:
    """The clock was wrong, or is now: whoever names a moment afterwards reads it off the same wall."""
    time.set_back_or_forth(jump_s)
    time.pass_by(1)
    moment = datetime.fromtimestamp(time.wall.now_ms() / 1000, UTC) + timedelta(seconds=60)
    job, worker = running(world, deadline=moment)
    time.pass_by(58, lambda: (worker.beat(done=2), world.upkeep.expire()))
    assert state_of(world, job) is RenderState.PRIOR_RUNNING
    time.pass_by(3, world.upkeep.expire)
    assert state_of(world, job) is RenderState.EXPIRED


@pytest.mark.parametrize("down_s", [1.0, 30.0, 86_400.0])
def test_time_in_which_nobody_looked_counts_where_the_machine_saw_it_pass(
    world: World, time: Time, down_s: float, client: Client
) -> None:
    """The store, upkeep or the whole service were down; or the store was frozen."""
    running(world, execution_timeout_s=down_s + 60)
    time.pass_unseen(down_s)
    time.pass_by(58, world.upkeep.expire)
    assert world.upkeep.expire() == 0
    time.pass_by(3)
    assert FaultCounts(client).read() == {}


def test_a_jump_while_nobody_looked_is_told_from_time_that_passed(world: World, time: Time, client: Client) -> None:
    job, _ = running(world, execution_timeout_s=60)
    time.pass_unseen(20)
    time.set_back_or_forth(3600)
    time.pass_unseen(20)
    time.pass_by(18, world.upkeep.expire)
    assert state_of(world, job) is RenderState.PRIOR_RUNNING
    time.pass_by(4, world.upkeep.expire)
    assert state_of(world, job) is RenderState.EXPIRED
    assert FaultCounts(client).read() == {"clock_jump": 1}


def test_another_machine_waits_for_those_who_know(world: World, time: Time, client: Client) -> None:
    """It has nothing to compare with; upkeep's machine has."""
    stranger = SteadyClock(partial(Scripts(client)._run_once, "check_clock"), "another machine")
    time.set_back_or_forth(3600)
    assert not stranger.look()
    time.pass_by(0.5)
    assert stranger.look()
    assert int(str(client.hget("gridpress:clock", "offset_ms"))) == pytest.approx(-3_600_000, abs=100)


def test_two_machines_take_one_jump_for_one(world: World, time: Time, client: Client) -> None:
    other = SteadyClock(partial(Scripts(client)._run_once, "check_clock"), "another machine")
    time.pass_by(2, other.keep)
    time.set_back_or_forth(3600)
    time.pass_by(2, other.keep)
    assert FaultCounts(client).read() == {"clock_jump": 1}


def test_machines_that_are_gone_are_forgotten_once_there_are_many(world: World, time: Time, client: Client) -> None:
    for number in range(40):
        SteadyClock(partial(Scripts(client)._run_once, "check_clock"), f"boot-{number}").look()
    assert client.hlen("gridpress:clock") > 40
    time.pass_unseen(2 * 86_400)
    time.pass_by(2)
    assert client.hlen("gridpress:clock") < 10


def test_where_nobody_knows_the_wall_is_believed_in_the_end(world: World, time: Time, client: Client) -> None:
    """The machine that knew is gone, or was booted anew."""
    stranger = SteadyClock(partial(Scripts(client)._run_once, "check_clock"), "another machine")
    time.pass_unseen(3600)
    stranger.settle()
    assert client.hget("gridpress:clock", "offset_ms") == "0"
    assert world.upkeep.expire() == 0


def test_the_clock_goes_back_to_the_walls_slowly(world: World, time: Time, client: Client) -> None:
    time.set_back_or_forth(60)
    time.pass_by(1)
    began_ms = int(str(client.hget("gridpress:clock", "offset_ms")))
    time.pass_by(100)
    assert int(str(client.hget("gridpress:clock", "offset_ms"))) - began_ms == pytest.approx(1000, rel=0.2)


def test_small_steps_of_a_time_server_are_followed(world: World, time: Time, client: Client) -> None:
    for _ in range(10):
        time.set_back_or_forth(0.4)
        time.pass_by(0.5)
    assert FaultCounts(client).read() == {}
    assert time.wall.now_ms() > START_MS


def test_lines_that_go_out_in_one_round_trip_are_sure_of_the_time(world: World, time: Time, client: Client) -> None:
    time.set_back_or_forth(3600)
    line = LineSubmission(new_job_id(), a_spec(), LineJob("batch_x", 0, "{}"), None)  # type: ignore[arg-type]
    assert world.jobs.submit_lines([line]) == 1  # type: ignore[union-attr]


def test_a_store_whose_clock_nobody_keeps_goes_by_the_wall(client: Client, store: object) -> None:
    assert Scripts(client).run("expire", 1) == 0
    assert not client.exists("gridpress:clock")


def test_a_doubt_that_stays_is_an_outage(world: World, time: Time, client: Client) -> None:
    scripts = Scripts(client)
    time.set_back_or_forth(3600)
    scripts.clock.settle = lambda: None  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable, match="clock"):
        scripts.run("expire", 1)


@pytest.mark.attack
def test_a_store_that_is_slow_for_long_is_asked_a_few_times_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks_ms, ways = 0, list[str]()

    def look(_machine: str, _ticks_ms: int, way: str) -> list[object]:
        nonlocal ticks_ms
        ticks_ms += 600
        ways.append(way)
        return ["looked", 0]

    monkeypatch.setattr(steady_clock, "_ticks_ms", lambda: ticks_ms)
    assert SteadyClock(look).look("keep")
    assert ways == ["keep", "", ""]
