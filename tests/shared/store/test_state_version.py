"""A release opens the state of earlier releases, and refuses a store that it can't read before it writes anything."""

from importlib.metadata import version
from pathlib import Path

import pytest

from shared.batches.batch import BatchId, Cursor, LineJob, LineState, line_job_id
from shared.errors import Misconfigured
from shared.ids import JobId, TenantId
from shared.jobs.job import Job
from shared.jobs.states import JobStatus, Stage
from shared.store.batch_work.work import Advance, BatchRules, BatchWork
from shared.store.core.connect import Client, connect
from shared.store.core.opening import adopt_state
from shared.store.core.state_version import KEY, OLDEST, VERSION, StateVersion, check_state
from shared.store.idempotency.requests import IdempotencyStore, Reservation
from shared.store.jobs.submission import LineSubmission
from shared.store.webhooks.log import WebhookLog
from tests.shared.store.answers import all_deliveries, finish_enhancement
from tests.shared.store.builders import REVISION, WORKER_ID, a_picture, a_prior, a_spec, message_id
from tests.shared.store.states.dumps import load
from tests.shared.store.states.fill import AR, DIT, TENANT
from tests.shared.store.world import World

STATES = Path(__file__).with_name("states")
OWNER = TenantId("owner")  # of the batch


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"version": VERSION + 1, "release": "9.8.7", "oldest": VERSION}, "start Gridpress 9.8.7 or a later release"),
        ({"version": VERSION, "release": "9.8.7", "oldest": OLDEST - 1}, "start Gridpress 9.8.7 until its upkeep logs"),
    ],
    ids=["newer", "too old"],
)
def test_a_store_that_this_release_cannot_read_is_refused_by_name(
    client: Client, valkey_url: str, fields: dict[str, str | int], told: str
) -> None:
    client.hset(KEY, mapping=fields)
    before = client.hgetall(KEY)
    with pytest.raises(Misconfigured, match=told):
        connect(valkey_url, "relaxed")
    with pytest.raises(Misconfigured, match=told):
        adopt_state(client)
    found = client.keys("*"), client.hgetall(KEY)
    client.delete(KEY)  # or no other test could connect
    assert found == ([KEY], before)


def test_a_role_marks_the_store_once(client: Client) -> None:
    check_state(client)
    assert client.keys("*") == [], "a look writes nothing"
    adopt_state(client)
    assert StateVersion.read(client) == StateVersion(VERSION, version("gridpress"), 1)
    client.hset(KEY, mapping={"release": "first", "oldest": VERSION})
    adopt_state(client)
    assert StateVersion.read(client) == StateVersion(VERSION, "first", VERSION)


@pytest.fixture
def old(client: Client, still_clock: None) -> World:
    """A store that the release before filled, opened by this release."""
    world = World.of_valkey(client)
    load(client, STATES / f"v{OLDEST}.json")
    adopt_state(client)
    return world


def jobs_of(world: World, client: Client) -> dict[str, Job]:
    """By name."""
    names = client.hgetall("test:names")
    return {name: world.jobs.job(JobId(value), TENANT) for name, value in names.items() if value.startswith("job_")}


def finish_all(world: World) -> None:
    """Two rounds, because a stage may wait for the other one."""
    for stage in (Stage.AR, Stage.DIT) * 2:
        while claim := world.leases.claim(stage, REVISION, WORKER_ID):
            if stage is Stage.AR:
                world.leases.finish_prior(claim.lease, a_prior())
            else:
                world.leases.finish_picture(claim.lease, a_picture())


def bring_up_to_date(world: World) -> int:
    num_all, is_done = 0, False
    while not is_done:
        is_done, num = world.upkeep.bring_up_to_date()
        num_all += num
    return num_all


def test_all_work_of_the_release_before_is_finished(old: World, client: Client) -> None:
    waiting = jobs_of(old, client)
    assert bring_up_to_date(old) == 5
    assert StateVersion.read(client).oldest == VERSION
    for worker in (AR, DIT):
        old.leases.leave(worker)
    for _ in range(3):  # and a failed webhook is due again
        old.let_leases_end()
    old.rescue()
    enhancement = old.enhancements.claim()
    assert enhancement
    assert finish_enhancement(old, enhancement, "succeed")
    old.jobs.retry(waiting["failed"], None)
    finish_all(old)
    ended = jobs_of(old, client)
    assert {name: job.status for name, job in ended.items()} == dict.fromkeys(waiting, JobStatus.SUCCEEDED)
    sent = all_deliveries(old)
    manifests = {job.job_id for name, job in ended.items() if not name.startswith("told")}
    assert manifests <= set(sent)
    ends = {name: message_id(job.job_id, "succeeded") for name, job in ended.items() if name != "told"}
    ends["failed"] += "_1"  # of its second life
    assert {name for name, message in ends.items() if message not in sent} == set()
    assert [client.keys(f"gridpress:{kind}") for kind in ("leases", "waiting:*", "held:*")] == [[], [], []]


def test_a_batch_of_the_release_before_is_finished(old: World, client: Client) -> None:
    bring_up_to_date(old)
    batch = BatchId(str(client.hget("test:names", "batch")))
    work = BatchWork(client, BatchRules(60, 10, 3600, 3600))
    lease = work.claim()
    assert lease
    assert (lease.batch_id, [line.line for line in work.ended(batch, 9)]) == (batch, [0])
    lines = [LineSubmission(line_job_id(batch, 0, n), a_spec(tenant=OWNER), LineJob(batch, n, "{}")) for n in (2, 3)]
    old.jobs.submit_lines(lines)
    finish_all(old)
    ended = work.ended(batch, 9)
    assert sorted(line.line for line in ended) == [0, 1, 2, 3]
    assert work.advance(lease, Advance(Cursor(4, 0), stored=ended))
    assert work.finalize(lease)
    work.finish(lease, None, None)
    assert client.get(f"gridpress:batch_lines:{batch}") == LineState.SUCCEEDED * 4


def test_what_clients_see_of_ended_jobs_stays_as_it_was(old: World, client: Client) -> None:
    before = {job.job_id: (job, old.jobs.events(job.job_id, after="0")) for job in jobs_of(old, client).values()}
    log, told = WebhookLog(client), jobs_of(old, client)["told-late"].job_id
    attempts = log.attempts(told, limit=9)
    bring_up_to_date(old)
    for job, events in before.values():
        assert old.jobs.job(job.job_id, TENANT) == job
        left = [event for event in events if event.type != "render.progress" or not job.status.is_final]
        assert old.jobs.events(job.job_id, after="0") == left
        assert old.jobs.events(job.job_id, after=left[0].event_id) == left[1:]
    assert [attempt.status for attempt in attempts] == [500, 500]
    assert log.attempts(told, limit=9) == log.attempts(message_id(told, "succeeded"), limit=9) == attempts


def test_an_idempotency_key_of_the_release_before_names_its_job(old: World, client: Client) -> None:
    requests = IdempotencyStore(client, kept_for_s=86_400)
    begun = requests.begin(TENANT, "/v1/jobs", "order-17", "f" * 64, "job_other")
    assert isinstance(begun, Reservation)
    assert begun.reserved_id == client.hget("test:names", "waits-for-ar")


def test_a_store_of_many_jobs_is_brought_up_to_date_in_parts(
    old: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.store.queues.upkeep.MOST_PURGED", 2)
    for number, job in enumerate(client.zrange("gridpress:finished", 0, -1)):
        client.zadd("gridpress:finished", {job: 1000 + number // 3})  # three in each millisecond
    parts = [old.upkeep.bring_up_to_date() for _ in range(4)]
    assert parts == [(False, 3), (False, 2), (True, 0), (True, 0)]
    assert client.keys("gridpress:attempts:evt_*") == client.keys("gridpress:events:job_01m8mbmv432*") == []
