"""What the store does with webhooks, on a clock that stands still: who is told, when, and who is spared."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, JobId, TenantId
from shared.jobs.job import Job
from shared.jobs.leases import Progress, RenderReport
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore
from shared.store.webhooks.deliveries import SOON_S, Delivery, DeliveryStore, ReceiverClass, Room
from shared.store.webhooks.log import WebhookLog
from shared.webhooks.endpoints import DisabledReason, Endpoint, EndpointId
from tests.shared.store.builders import (
    A_LOT,
    AN_ATTEMPT,
    DELIVERY_RULES,
    REVISION,
    RULES,
    WORKER_ID,
    finish_next,
    message_id,
    submitted,
)
from tests.shared.store.clocks import StoreClock
from workers.delivery.schedule import RETRY_DELAYS_S

pytestmark = pytest.mark.usefixtures("still_clock")
A_FAILURE = replace(AN_ATTEMPT, status=500, error="receiver answered 500")
ROOM_FOR_FOUR = Room(total=4, unproven=4, slow=4, failing=4)
SECRET = "whsec_" + "A" * 43 + "="
DAY_S = 24 * 3600


@pytest.fixture
def clock(still_clock: None, client: Client) -> StoreClock:
    return StoreClock(client)


@pytest.fixture
def jobs(clock: StoreClock, client: Client) -> JobStore:
    return JobStore(client)


@pytest.fixture
def outbox(clock: StoreClock, client: Client) -> DeliveryStore:
    return DeliveryStore(client, DELIVERY_RULES)


@pytest.fixture
def endpoints(clock: StoreClock, client: Client) -> EndpointStore:
    return EndpointStore(client)


def made(endpoints: EndpointStore, tenant: TenantId = DEFAULT_TENANT, events: Sequence[str] | None = None) -> Endpoint:
    return endpoints.create(tenant, "https://hooks.example/in", SECRET, EndpointChanges(events=events), most=50)


def cancelled(jobs: JobStore, **changes: object) -> Job:
    job = submitted(jobs, **changes)  # type: ignore[arg-type]
    jobs.cancel(job.job_id, job.spec.tenant)
    return job


def told(outbox: DeliveryStore) -> list[tuple[str, str]]:
    """Everything that is due, each delivered: event type and destination."""
    found = []
    while deliveries := outbox.claim(A_LOT):
        found += [(each.event_type, each.destination) for each in deliveries]
        for each in deliveries:
            assert outbox.delivered(each, AN_ATTEMPT)
    return sorted(found)


def fail_all(outbox: DeliveryStore, delay_s: float = 5) -> list[Delivery]:
    deliveries = outbox.claim(A_LOT)
    for each in deliveries:
        assert outbox.retry_later(each, A_FAILURE, delay_s)
    return deliveries


def test_a_job_is_told_to_every_endpoint_of_its_tenant_and_to_its_own_url(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore
) -> None:
    first, second = made(endpoints), made(endpoints)
    made(endpoints, TenantId("acme"))
    job = cancelled(jobs, webhook_url="https://own.example/hook")
    deliveries = outbox.claim(A_LOT)
    assert {each.message_id for each in deliveries} == {message_id(job.job_id, "cancelled")}
    assert {each.endpoint_id for each in deliveries} == {first.endpoint_id, second.endpoint_id, None}


def test_an_endpoint_hears_what_it_chose(jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore) -> None:
    choosy = made(endpoints, events=["job.failed"])
    cancelled(jobs)
    assert told(outbox) == []
    endpoints.update(choosy.endpoint_id, DEFAULT_TENANT, EndpointChanges(events=["job.cancelled"]))
    cancelled(jobs)
    assert told(outbox) == [("job.cancelled", choosy.endpoint_id)]


def test_a_job_that_nobody_hears_of_writes_no_key_of_the_outbox(jobs: JobStore, client: Client) -> None:
    finish_next_of(jobs, client)
    kinds = {str(key).split(":")[1] for key in client.keys("gridpress:*")}
    assert not kinds & {"message", "messages", "told", "sequence", "due", "destination", "line", "attempts"}


def finish_next_of(jobs: JobStore, client: Client, **changes: object) -> Job:
    job = submitted(jobs, **changes)  # type: ignore[arg-type]
    finish_next(LeaseStore(client, RULES))
    return job


def test_the_start_of_a_job_is_told_once_to_those_who_ask(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore, client: Client
) -> None:
    asking = made(endpoints, events=["job.started"])
    made(endpoints)
    submitted(jobs, n=2)
    for _ in range(2):
        LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID)
    assert told(outbox) == [("job.started", asking.endpoint_id)]


def test_progress_is_told_at_most_once_a_second(jobs: JobStore, outbox: DeliveryStore, client: Client) -> None:
    clock = StoreClock(client)
    submitted(jobs, webhook_url="https://a.example/", webhook_events=("job.progress",))
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    worker = Announcement(WORKER_ID, Queue.AR, 1, REVISION)
    seen = []
    for done in range(1, 21):
        leases.beat(worker, [RenderReport(claim.lease, Progress(done, 100), in_step=True)])
        seen += [
            (clock.now_ms(), each.message_id) for each in outbox.claim(A_LOT) if outbox.delivered(each, AN_ATTEMPT)
        ]
        clock.advance(0.25)
    moments = [moment for moment, _ in seen]
    assert all(later - earlier >= 1000 for earlier, later in pairwise(moments))
    assert len({name for _, name in seen}) == len(seen) == 5


def test_of_progress_only_one_report_waits_for_a_receiver(
    jobs: JobStore, outbox: DeliveryStore, client: Client
) -> None:
    clock = StoreClock(client)
    submitted(jobs, webhook_url="https://a.example/", webhook_events=("job.progress",))
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    for done in range(1, 6):
        leases.beat(
            Announcement(WORKER_ID, Queue.AR, 1, REVISION), [RenderReport(claim.lease, Progress(done, 9), in_step=True)]
        )
        clock.advance(1)
    assert len(outbox.claim(A_LOT)) == 1


@pytest.mark.attack
def test_progress_of_a_long_job_leaves_no_messages_behind(
    jobs: JobStore, outbox: DeliveryStore, client: Client
) -> None:
    """One receiver takes every report, one takes none, and one is always slow."""
    clock, endpoints = StoreClock(client), EndpointStore(client)
    dead = made(endpoints, events=["job.progress"])
    slow = made(endpoints, events=["job.progress"])
    job = submitted(jobs, webhook_url="https://a.example/", webhook_events=("job.progress",))
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    under_way: list[Delivery] = []
    for done in range(1, 61):
        leases.beat(
            Announcement(WORKER_ID, Queue.AR, 1, REVISION),
            [RenderReport(claim.lease, Progress(done, 99), in_step=True)],
        )
        for each in outbox.claim(A_LOT):
            if each.destination == slow.endpoint_id:
                under_way.append(each)
            elif each.destination == dead.endpoint_id:
                outbox.retry_later(each, AN_ATTEMPT, 3600)
            else:
                assert outbox.delivered(each, AN_ATTEMPT)
        if under_way and done % 3 == 0:  # each of its attempts takes seconds, and succeeds
            assert outbox.delivered(under_way.pop(0), AN_ATTEMPT)
        clock.advance(1)
    most = 3 + DELIVERY_RULES.concurrency
    assert client.scard(f"gridpress:told:{job.job_id}") <= most  # type: ignore[operator]
    assert len(client.keys("gridpress:message:*")) <= most  # type: ignore[arg-type]
    assert client.zcard(f"gridpress:due:{dead.endpoint_id}") <= 2  # type: ignore[operator]
    assert len(under_way) <= DELIVERY_RULES.concurrency


def test_a_job_that_is_over_keeps_a_short_stream(jobs: JobStore, client: Client) -> None:
    job, leases = submitted(jobs), LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    for done in range(1, 301):
        leases.beat(
            Announcement(WORKER_ID, Queue.AR, 1, REVISION),
            [RenderReport(claim.lease, Progress(done, 999), in_step=True)],
        )
    stream = f"gridpress:events:{job.job_id}"
    assert client.xlen(stream) == 2
    jobs.cancel(job.job_id, DEFAULT_TENANT)
    assert not client.exists(stream)
    told = [event.type for event in jobs.events(job.job_id, after="0")]
    assert told == ["job.queued", "render.stage", "render.stage", "job.cancelled"]


def test_sequence_numbers_of_a_tenant_grow_with_every_message(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore
) -> None:
    made(endpoints)
    for _ in range(3):
        cancelled(jobs)
    deliveries = []
    while found := outbox.claim(A_LOT):
        deliveries += [each for each in found if outbox.delivered(each, AN_ATTEMPT)]
    assert [each.sequence for each in deliveries] == [1, 2, 3]


def test_a_webhook_is_tried_ten_times_under_one_id_and_then_given_up(
    jobs: JobStore, outbox: DeliveryStore, clock: StoreClock, client: Client
) -> None:
    job = cancelled(jobs, webhook_url="https://a.example/")
    attempts, name = [], message_id(job.job_id, "cancelled")
    for delay_s in RETRY_DELAYS_S:
        [delivery] = fail_all(outbox, delay_s)
        attempts.append((delivery.message_id, delivery.attempt))
        clock.advance(delay_s - 0.001)
        assert outbox.claim(A_LOT) == [], "not before it is due, and the circuit is closed when it is"
        clock.advance(0.001)
    [last] = outbox.claim(A_LOT)
    outbox.abandon(last, A_FAILURE)
    assert [*attempts, (last.message_id, last.attempt)] == [(name, number) for number in range(1, 11)]
    clock.advance(30 * DAY_S)
    assert outbox.claim(A_LOT) == []
    assert status_of(client, name, last.destination) == "abandoned"
    assert client.zrange(f"gridpress:failed:{last.destination}", 0, -1) == [name]


def status_of(client: Client, name: str, destination: str) -> object:
    return client.hget(f"gridpress:message:{name}", f"to:{destination}")


def test_a_delivery_whose_process_died_is_due_again_under_the_same_id(
    jobs: JobStore, outbox: DeliveryStore, clock: StoreClock
) -> None:
    cancelled(jobs, webhook_url="https://a.example/")
    [lost] = outbox.claim(A_LOT)
    assert outbox.claim(A_LOT) == []
    clock.advance(DELIVERY_RULES.lease_ttl_s)
    [again] = outbox.claim(A_LOT)
    assert (again.message_id, again.attempt) == (lost.message_id, 2)
    assert not outbox.delivered(lost, AN_ATTEMPT)
    assert outbox.delivered(again, AN_ATTEMPT)


def test_what_is_handed_back_is_due_at_once_and_was_no_attempt(jobs: JobStore, outbox: DeliveryStore) -> None:
    cancelled(jobs, webhook_url="https://a.example/")
    [cut_off] = outbox.claim(A_LOT)
    assert outbox.hand_back(cut_off)
    [again] = outbox.claim(A_LOT)
    assert (again.message_id, again.attempt) == (cut_off.message_id, 1)


def test_a_new_receiver_gets_two_at_a_time_and_a_proven_one_as_many_as_it_may(
    jobs: JobStore, outbox: DeliveryStore
) -> None:
    for _ in range(20):
        cancelled(jobs, webhook_url="https://a.example/")
    first = outbox.claim(A_LOT)
    assert (len(first), outbox.claim(A_LOT)) == (2, [])
    for each in first:
        outbox.delivered(each, AN_ATTEMPT)
    proven = outbox.claim(A_LOT)
    assert {each.receiver_class for each in proven} == {ReceiverClass.PROVEN}
    assert (len(proven), outbox.claim(A_LOT)) == (DELIVERY_RULES.concurrency, [])


def test_a_receiver_that_keeps_failing_gets_one_probe_at_a_time_and_growing_rests(
    jobs: JobStore, outbox: DeliveryStore, clock: StoreClock
) -> None:
    for _ in range(40):
        cancelled(jobs, webhook_url="https://a.example/")
    rests = []
    for _ in range(12):
        while not (probes := outbox.claim(A_LOT)):
            clock.advance(5)
            rests[-1] += 5
        rests.append(0)
        assert len(probes) == (2 if len(rests) <= 3 else 1)
        assert outbox.claim(A_LOT) == [], "no other while one is under way"
        clock.advance(0.1)
        for each in probes:
            outbox.retry_later(each, A_FAILURE, 10 * DAY_S)
    rests.pop()
    assert rests == sorted(rests)
    assert rests[-1] == rests[-2] == 600, "they stop growing"


def test_one_success_lets_all_that_waited_go(jobs: JobStore, outbox: DeliveryStore, clock: StoreClock) -> None:
    for _ in range(12):
        cancelled(jobs, webhook_url="https://a.example/")
    for _ in range(6):
        fail_all(outbox, 0)
        clock.advance(600)
    [probe] = outbox.claim(A_LOT)
    outbox.delivered(probe, AN_ATTEMPT)
    assert len(told(outbox)) == 11


def test_attempts_that_fail_together_count_once(jobs: JobStore, outbox: DeliveryStore, clock: StoreClock) -> None:
    for _ in range(20):
        cancelled(jobs, webhook_url="https://a.example/")
    for each in outbox.claim(A_LOT):
        outbox.delivered(each, AN_ATTEMPT)
    under_way = outbox.claim(A_LOT)
    clock.advance(1)
    for each in under_way:
        outbox.retry_later(each, A_FAILURE, 60)
    assert len(outbox.claim(A_LOT)) > 0, "eight at once are one failure"


def test_a_receiver_that_asks_to_be_spared_is_left_alone(
    jobs: JobStore, outbox: DeliveryStore, clock: StoreClock
) -> None:
    for _ in range(3):
        cancelled(jobs, webhook_url="https://a.example/")
    first, second = outbox.claim(A_LOT)
    outbox.delivered(first, AN_ATTEMPT)
    outbox.retry_later(second, A_FAILURE, 5, spare_s=60)
    clock.advance(59.9)
    assert outbox.claim(A_LOT) == []
    clock.advance(0.1)
    assert len(outbox.claim(A_LOT)) == 2


def test_failing_receivers_take_what_room_they_have_and_proven_ones_go_first(
    jobs: JobStore, outbox: DeliveryStore
) -> None:
    cancelled(jobs, webhook_url="https://well.example/")
    [first] = outbox.claim(A_LOT)
    outbox.delivered(first, AN_ATTEMPT)
    for number in range(20):
        cancelled(jobs, webhook_url=f"https://dead{number}.example/")
    fail_all(outbox, 0)
    cancelled(jobs, webhook_url="https://new.example/")
    cancelled(jobs, webhook_url="https://well.example/")
    room = Room(total=6, unproven=5, slow=5, failing=4)
    standings = [each.receiver_class for each in outbox.claim(room)]
    assert standings == [ReceiverClass.PROVEN, ReceiverClass.NEW, *[ReceiverClass.FAILING] * 4]
    assert outbox.claim(Room(total=6, unproven=0, slow=5, failing=4)) == []


def test_who_answers_late_waits_behind_those_who_do_not_and_may_have_as_many_attempts(
    jobs: JobStore, outbox: DeliveryStore
) -> None:
    for host in ("late", "soon"):
        cancelled(jobs, webhook_url=f"https://{host}.example/")
    late, soon = outbox.claim(A_LOT)
    assert outbox.delivered(late, replace(AN_ATTEMPT, latency_s=SOON_S + 0.1))
    assert outbox.delivered(soon, AN_ATTEMPT)
    for host in (*["late"] * 20, "new", "soon"):
        cancelled(jobs, webhook_url=f"https://{host}.example/")
    standings = [each.receiver_class for each in outbox.claim(A_LOT)]
    assert standings == [ReceiverClass.PROVEN, ReceiverClass.NEW, *[ReceiverClass.SLOW] * DELIVERY_RULES.concurrency]


def test_an_attempt_that_had_but_a_moment_is_due_at_once_and_counts_for_nothing(
    jobs: JobStore, outbox: DeliveryStore, endpoints: EndpointStore, client: Client
) -> None:
    endpoint = made(endpoints)
    cancelled(jobs)
    [cut] = outbox.claim(A_LOT)
    assert outbox.cut_short(cut, A_FAILURE)
    [again] = outbox.claim(A_LOT)
    assert (again.message_id, again.attempt, again.receiver_class) == (cut.message_id, 1, ReceiverClass.FAILING)
    assert endpoints.endpoint(endpoint.endpoint_id, DEFAULT_TENANT).failing_since is None
    assert client.xlen(f"gridpress:attempts:{endpoint.endpoint_id}") == 1, "the log has it all the same"


def test_one_that_is_cut_short_again_and_again_waits_longer_each_time(
    jobs: JobStore, outbox: DeliveryStore, clock: StoreClock
) -> None:
    """Its receiver is quick with all else, so each of these is begun as if it were quick."""
    cancelled(jobs, webhook_url="https://a.example/")
    for pause_s in (0, 5, 10, 20):
        [cut] = outbox.claim(A_LOT)
        outbox.cut_short(cut, A_FAILURE)
        clock.advance(pause_s - 1)
        if pause_s:
            assert outbox.claim(A_LOT) == []
        clock.advance(1)
    [again] = outbox.claim(A_LOT)
    assert again.attempt == 1


def test_who_has_answered_before_is_slow_and_not_failing_when_it_is_cut_short(
    jobs: JobStore, outbox: DeliveryStore
) -> None:
    for _ in range(2):
        cancelled(jobs, webhook_url="https://a.example/")
    first, second = outbox.claim(A_LOT)
    outbox.delivered(first, AN_ATTEMPT)
    outbox.cut_short(second, A_FAILURE)
    assert [each.receiver_class for each in outbox.claim(A_LOT)] == [ReceiverClass.SLOW]


@pytest.mark.parametrize("receiver_class", [ReceiverClass.PROVEN, ReceiverClass.NEW])
def test_tenants_take_turns_however_many_receivers_they_have(
    jobs: JobStore, outbox: DeliveryStore, clock: StoreClock, receiver_class: ReceiverClass
) -> None:
    tenants = [TenantId("many"), TenantId("few")]
    urls = [f"https://r{number}.example/" for number in range(30)]
    if receiver_class is ReceiverClass.PROVEN:
        for url in urls:
            cancelled(jobs, webhook_url=url, tenant=tenants[0])
            cancelled(jobs, webhook_url=url, tenant=tenants[1])
        told(outbox)
    for url in urls:
        cancelled(jobs, webhook_url=url, tenant=tenants[0])
        clock.advance(0.001)
    assert len(outbox.claim(ROOM_FOR_FOUR)) == 4
    for url in urls[:3]:
        cancelled(jobs, webhook_url=url, tenant=tenants[1])
    turns = [each.tenant for each in outbox.claim(ROOM_FOR_FOUR)]
    assert sorted(turns) == sorted(tenants * 2), "by turns, not by age"


def test_urls_of_one_origin_share_their_circuit_and_tenants_do_not(jobs: JobStore, outbox: DeliveryStore) -> None:
    urls = ("https://a.example/x", "https://A.example/y?z", "https://a.example:444/x")
    for url in urls:
        cancelled(jobs, webhook_url=url)
    cancelled(jobs, webhook_url=urls[0], tenant=TenantId("acme"))
    assert len({each.destination for each in outbox.claim(A_LOT)}) == 3


def test_a_receiver_that_is_gone_disables_its_endpoint_and_the_owner_is_told(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore
) -> None:
    gone, other = made(endpoints), made(endpoints)
    cancelled(jobs)
    for each in outbox.claim(A_LOT):
        if each.endpoint_id == gone.endpoint_id:
            assert outbox.abandon(each, replace(A_FAILURE, status=410), is_gone=True)
        else:
            assert outbox.delivered(each, AN_ATTEMPT)
    assert endpoints.endpoint(gone.endpoint_id, DEFAULT_TENANT).disabled_reason is DisabledReason.GONE
    [news] = outbox.claim(A_LOT)
    assert (news.event_type, news.endpoint_id) == ("webhook_endpoint.disabled", other.endpoint_id)
    assert json.loads(news.data)["id"] == gone.endpoint_id


def test_an_endpoint_that_fails_for_five_days_is_disabled_and_the_owner_is_told(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore, clock: StoreClock
) -> None:
    failing, other = made(endpoints), made(endpoints)
    days = 0
    while endpoints.endpoint(failing.endpoint_id, DEFAULT_TENANT).is_enabled:
        assert days < 6
        cancelled(jobs)
        _answer(outbox, failing.endpoint_id)
        days += 1
        clock.advance(DAY_S)
    assert days == 6, "five days lie between the first failure and the last"
    assert endpoints.endpoint(failing.endpoint_id, DEFAULT_TENANT).disabled_reason is DisabledReason.FAILING
    assert told(outbox) == [("webhook_endpoint.disabled", other.endpoint_id)]


def _answer(outbox: DeliveryStore, failing: EndpointId) -> None:
    for each in outbox.claim(A_LOT):
        if each.endpoint_id == failing:
            outbox.retry_later(each, A_FAILURE, 100 * DAY_S)
        else:
            outbox.delivered(each, AN_ATTEMPT)


def test_a_success_within_five_days_begins_them_anew(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore, clock: StoreClock
) -> None:
    flaky = made(endpoints)
    for day in range(12):
        cancelled(jobs)
        [each] = outbox.claim(A_LOT)
        if day % 4 == 3:
            outbox.delivered(each, AN_ATTEMPT)
        else:
            outbox.retry_later(each, A_FAILURE, 100 * DAY_S)
        clock.advance(DAY_S)
    assert endpoints.endpoint(flaky.endpoint_id, DEFAULT_TENANT).is_enabled


def test_what_is_due_to_a_disabled_endpoint_waits_until_it_is_enabled(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore
) -> None:
    endpoint = made(endpoints)
    cancelled(jobs)
    endpoints.disable(endpoint.endpoint_id, DEFAULT_TENANT)
    cancelled(jobs)
    assert outbox.claim(A_LOT) == []
    endpoints.enable(endpoint.endpoint_id, DEFAULT_TENANT)
    assert told(outbox) == [("job.cancelled", endpoint.endpoint_id)]


def test_nothing_of_a_deleted_endpoint_stays(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore, client: Client
) -> None:
    endpoint = made(endpoints)
    for _ in range(3):
        cancelled(jobs)
    under_way, failed = outbox.claim(A_LOT)
    outbox.abandon(failed, A_FAILURE)
    endpoints.delete(endpoint.endpoint_id, DEFAULT_TENANT)
    assert not outbox.retry_later(under_way, A_FAILURE, 5)
    assert outbox.claim(A_LOT) == []
    keys = [key for key in client.keys("*") if endpoint.endpoint_id in str(key)]
    assert keys in ([], [f"gridpress:attempts:{endpoint.endpoint_id}"]), "the late attempt is logged, and expires"


def test_every_attempt_can_be_read_by_endpoint_job_and_message_until_its_time_is_over(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore, client: Client
) -> None:
    endpoint = made(endpoints)
    job = cancelled(jobs)
    fail_all(outbox)
    log = WebhookLog(client)
    for of in (endpoint.endpoint_id, job.job_id, message_id(job.job_id, "cancelled")):
        [attempt] = log.attempts(of, limit=10)
        assert (attempt.number, attempt.status, attempt.error) == (1, 500, A_FAILURE.error)
    keys = [f"gridpress:attempts:{endpoint.endpoint_id}", f"gridpress:job_attempts:{job.job_id}"]
    assert sorted(client.keys("gridpress:*attempts:*")) == keys, "the log of the message is in that of the job"
    for key in keys:
        ttl_s = client.ttl(key)
        assert 0 < int(str(ttl_s)) <= DELIVERY_RULES.log_s


def test_the_log_of_an_endpoint_keeps_the_newest(endpoints: EndpointStore, jobs: JobStore, client: Client) -> None:
    endpoint = made(endpoints)
    outbox = DeliveryStore(client, DELIVERY_RULES)
    cancelled(jobs)
    [delivery] = outbox.claim(A_LOT)
    for number in range(1, 1300):
        outbox.retry_later(replace(delivery, attempt=number), A_FAILURE, 5)
    key = f"gridpress:attempts:{endpoint.endpoint_id}"
    assert 1000 <= int(str(client.xlen(key))) <= 1200
    [(_, newest)] = client.xrevrange(key, count=1)  # type: ignore[misc]
    assert newest["attempt"] == "1299"


def test_messages_leave_the_store_with_their_job(
    jobs: JobStore, endpoints: EndpointStore, outbox: DeliveryStore, client: Client
) -> None:
    endpoint = made(endpoints)
    gone, waiting = cancelled(jobs), cancelled(jobs)
    [first] = [each for each in outbox.claim(A_LOT) if each.job_id == gone.job_id]
    outbox.delivered(first, AN_ATTEMPT)
    client.delete("gridpress:manifests")
    UpkeepStore(client).purge(retention_s=0)
    assert _of(client, gone.job_id) == []
    assert jobs.job(waiting.job_id, DEFAULT_TENANT), "somebody is still to be told of it"
    endpoints.disable(endpoint.endpoint_id, DEFAULT_TENANT)
    client.incrby("test:clock_ms", 120_000)
    UpkeepStore(client).purge(retention_s=0)
    assert _of(client, waiting.job_id) == [], "a disabled endpoint is not waited for"
    assert client.zcard(f"gridpress:due:{endpoint.endpoint_id}") == 0


def _of(client: Client, job_id: JobId) -> list[str]:
    ulid = job_id.removeprefix("job_")
    return [str(key) for key in client.keys("*") if ulid in str(key)]


def test_a_job_is_not_kept_for_ever_by_a_receiver_that_never_comes_back(
    jobs: JobStore, outbox: DeliveryStore, clock: StoreClock, client: Client
) -> None:
    job = cancelled(jobs, webhook_url="https://a.example/")
    client.delete("gridpress:manifests")
    clock.advance(3 * DAY_S)
    UpkeepStore(client).purge(retention_s=0)
    assert jobs.job(job.job_id, DEFAULT_TENANT)
    clock.advance(DAY_S + 60)
    UpkeepStore(client).purge(retention_s=0)
    assert _of(client, job.job_id) == []
    assert outbox.claim(A_LOT) == []


def test_a_thousand_dead_receivers_are_not_looked_at_before_they_are_due(
    jobs: JobStore, outbox: DeliveryStore, client: Client, clock: StoreClock
) -> None:
    for number in range(300):
        cancelled(jobs, webhook_url=f"https://dead{number}.example/")
    while fail_all(outbox, 3600):
        pass
    cancelled(jobs, webhook_url="https://well.example/")
    before = _num_calls(client)
    assert len(outbox.claim(A_LOT)) == 1
    assert _num_calls(client) - before < 50


def _num_calls(client: Client) -> int:
    return sum(int(each["calls"]) for each in client.info("commandstats").values())  # type: ignore[union-attr]


def test_hints_are_asked_for_while_anything_is_due(jobs: JobStore, outbox: DeliveryStore, client: Client) -> None:
    cancelled(jobs, webhook_url="https://a.example/")
    client.delete("gridpress:manifests")
    assert UpkeepStore(client).backlog(Queue.DELIVERY).waiting == 1
    outbox.claim(A_LOT)
    assert UpkeepStore(client).backlog(Queue.DELIVERY).waiting == 0
