"""The stream of the events of all jobs of a tenant. The server is about to stop, so each stream ends after one read."""

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT, TenantId
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.activity import ActivityStore
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.api.jobs.test_events import Event, read, types
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, submitted

PATH = "/v1/events"


class OneRead:
    """Stands in for the API's `stopping`: a stream reads once, and ends at its first rest."""

    def __init__(self) -> None:
        self.is_over = False

    def is_set(self) -> bool:
        return self.is_over

    def wait(self, timeout_s: float) -> bool:
        self.is_over = True
        return True


@pytest.fixture
def activity(client: Client) -> ActivityStore:
    store = ActivityStore(client)
    store.follow(DEFAULT_TENANT)
    return store


def stream(http: FlaskClient, house: Services, after: str | None = None, **fields: str) -> list[Event]:
    object.__setattr__(house, "stopping", OneRead())
    answer = http.get(PATH, headers={**({"Last-Event-ID": after} if after else {}), **fields})
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert answer.headers["X-Accel-Buffering"] == "no"
    return read(answer.text)


def test_a_stream_begins_now_and_resumes_with_the_events_of_all_jobs(
    http: FlaskClient, house: Services, store: JobStore, client: Client
) -> None:
    submitted(store)
    opened = stream(http, house)
    assert types(opened) == ["stream.open", "server.stopping"]
    first, second = submitted(store), submitted(store, n=2)
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    store.cancel(second.job_id, DEFAULT_TENANT)
    told = stream(http, house, opened[0]["id"])[:-1]
    assert {event["data"]["job_id"] for event in told} >= {first.job_id, second.job_id}
    assert {"job.queued", "render.stage", "job.cancelled"} <= set(types(told))
    of_second = [event for event in told if event["data"]["job_id"] == second.job_id]
    assert of_second[0]["data"] == {"job_id": second.job_id, "n": 2}
    assert (types(of_second)[0], types(of_second)[-1]) == ("job.queued", "job.cancelled")
    assert types(stream(http, house, told[-1]["id"])) == ["server.stopping"]


def test_nothing_is_kept_for_a_tenant_that_nobody_follows(store: JobStore, client: Client) -> None:
    submitted(store)
    assert not list(client.scan_iter("gridpress:activity:*"))


def test_what_is_kept_for_a_followed_tenant_ends_by_itself(
    activity: ActivityStore, store: JobStore, client: Client
) -> None:
    submitted(store)
    for key in (f"gridpress:followed:{DEFAULT_TENANT}", f"gridpress:activity:{DEFAULT_TENANT}"):
        assert 0 < client.ttl(key) <= 3600
    assert [event.type for event in activity.events(DEFAULT_TENANT, after="0")] == ["job.queued"]


def test_a_stream_tells_that_events_before_it_are_missing(http: FlaskClient, house: Services, client: Client) -> None:
    stream(http, house)
    client.delete(f"gridpress:followed:{DEFAULT_TENANT}")  # it expired during a long break
    told = stream(http, house, "1-0")
    assert types(told) == ["stream.gap", "server.stopping"]


def test_a_stream_tells_that_old_events_were_trimmed(
    http: FlaskClient, house: Services, activity: ActivityStore, client: Client
) -> None:
    since = activity.follow(DEFAULT_TENANT)
    for number in range(2000):
        client.xadd(
            f"gridpress:activity:{DEFAULT_TENANT}",
            {"job": "job_x", "type": "job.queued", "data": "{}"},
            id=f"{int(since.partition('-')[0]) + 1000}-{number + 1}",
        )
    assert types(stream(http, house, since))[0] == "stream.gap"
    newest = activity.newest(DEFAULT_TENANT)
    assert types(stream(http, house, newest)) == ["server.stopping"]


def test_a_stream_has_only_the_events_of_its_tenant(
    http: FlaskClient, house: Services, store: JobStore, client: Client
) -> None:
    keys = {tenant: KeyStore(client).create(TenantId(tenant), [Scope.READ])[1] for tenant in ("acme", "globex")}
    fields = {tenant: {"Authorization": f"Bearer {key}"} for tenant, key in keys.items()}
    opened = {tenant: stream(http, house, **fields[tenant])[0]["id"] for tenant in fields}
    job = submitted(store, tenant="acme")
    assert job.job_id in str(stream(http, house, opened["acme"], **fields["acme"]))
    assert job.job_id not in str(stream(http, house, opened["globex"], **fields["globex"]))


def test_a_resume_point_that_no_event_has_is_refused(http: FlaskClient) -> None:
    answer = http.get(PATH, headers={"Last-Event-ID": "x"})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "Last-Event-ID")
