"""PUT, retry and delete over HTTP: no job is made twice, kept pictures stay, and deleted data is gone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import Services
from shared.errors import ObjectNotFound, ObjectStoreUnavailable, StoreUnavailable
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey
from shared.jobs.job import Job
from shared.jobs.states import RenderState, Stage
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from shared.store.jobs.deleted import DeletedJobStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import CountedHints
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, finish_next, submitted
from workers.upkeep.deleted_jobs import delete_objects_of_deleted_jobs

BODY: dict[str, Any] = {"prompt": "a kite"}


def half_done(client: Client, store: JobStore, **changes: Any) -> Job:
    """A cancelled job of three: a picture, a token grid, and nothing."""
    job, leases = submitted(store, n=3, **changes), LeaseStore(client, RULES)
    finish_next(leases)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    return store.cancel(job.job_id, job.spec.tenant)


def test_the_same_request_under_the_same_id_is_the_same_job(http: FlaskClient) -> None:
    first, second = http.put("/v1/jobs/mine", json=BODY), http.put("/v1/jobs/mine", json=BODY)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.get_json()["id"] == second.get_json()["id"]
    assert len(http.get("/v1/jobs").get_json()["data"]) == 1


def test_another_request_under_the_same_id_is_refused(http: FlaskClient) -> None:
    http.put("/v1/jobs/mine", json=BODY)
    answer = http.put("/v1/jobs/mine", json={"prompt": "a fox"})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "client_id_taken")


def test_a_named_job_is_found_by_its_name_on_every_route(http: FlaskClient) -> None:
    job_id = http.put("/v1/jobs/mine", json=BODY).get_json()["id"]
    assert http.get("/v1/jobs/mine").get_json()["id"] == job_id
    assert http.get("/v1/jobs/mine/images/0").get_json()["code"] == "image_not_ready"
    assert http.post("/v1/jobs/mine/cancel").get_json()["status"] == "cancelled"
    assert http.delete("/v1/jobs/mine").status_code == 204
    assert http.get("/v1/jobs/mine").status_code == 404
    assert http.put("/v1/jobs/mine", json=BODY).get_json()["id"] != job_id


@pytest.mark.parametrize("name", ["job_1", "job_" + "0" * 26, "-a", "a b", "a:b", "ä", "a" * 129])
def test_an_id_that_cannot_name_a_job_is_refused(http: FlaskClient, name: str) -> None:
    answer = http.put(f"/v1/jobs/{name}", json=BODY)
    assert (answer.status_code, answer.get_json()["field"]) == (400, "client_id")


def test_many_at_once_make_one_job(house: Services) -> None:
    app = create_app(house)

    def put(_: int) -> str:
        return str(app.test_client().put("/v1/jobs/mine", json=BODY).get_json()["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(put, range(16)))) == 1
    assert len(house.store.jobs(DEFAULT_TENANT, limit=9, after=None)) == 1


def test_a_process_killed_after_the_store_took_it_leaves_one_job(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = type(house.store).submit

    def submit_and_die(*arguments: Any, **named: Any) -> Job:
        submit(*arguments, **named)
        raise StoreUnavailable("killed")

    monkeypatch.setattr(type(house.store), "submit", submit_and_die)
    assert http.put("/v1/jobs/mine", json=BODY).status_code == 503
    monkeypatch.undo()
    assert http.put("/v1/jobs/mine", json=BODY).status_code == 200
    assert len(http.get("/v1/jobs").get_json()["data"]) == 1


def test_a_retry_keeps_pictures_and_grids(
    http: FlaskClient, client: Client, store: JobStore, hints: CountedHints
) -> None:
    job = half_done(client, store)
    answer = http.post(f"/v1/jobs/{job.job_id}/retry")
    assert (answer.status_code, answer.get_json()["status"]) == (202, "running")
    states = [image["status"] for image in answer.get_json()["images"]]
    assert states == [RenderState.SUCCEEDED, RenderState.PRIOR_READY, RenderState.QUEUED]
    assert set(hints.sent) == {Queue.AR, Queue.DIT}
    again = http.post(f"/v1/jobs/{job.job_id}/retry")
    assert (again.status_code, again.get_json()["images"]) == (202, answer.get_json()["images"])


def test_only_what_ended_without_all_its_pictures_is_retried(
    http: FlaskClient, client: Client, store: JobStore
) -> None:
    job = submitted(store)
    waiting = http.post(f"/v1/jobs/{job.job_id}/retry")
    finish_next(LeaseStore(client, RULES))
    succeeded = http.post(f"/v1/jobs/{job.job_id}/retry")
    for answer in (waiting, succeeded):
        assert (answer.status_code, answer.get_json()["code"]) == (409, "job_not_retryable")


def test_a_deadline_that_is_over_needs_a_new_one(http: FlaskClient, client: Client, store: JobStore) -> None:
    job = submitted(store, deadline=datetime.now(UTC) - timedelta(seconds=1))
    assert UpkeepStore(client).expire() == 1
    path = f"/v1/jobs/{job.job_id}/retry"
    assert http.post(path).get_json()["code"] == "deadline_over"
    assert http.post(path, json={"deadline": "tomorrow"}).get_json()["field"] == "deadline"
    answer = http.post(path, json={"deadline": None})
    assert (answer.status_code, answer.get_json()["deadline"]) == (202, None)


def test_only_a_job_that_has_ended_is_deleted(http: FlaskClient, store: JobStore) -> None:
    job = submitted(store)
    answer = http.delete(f"/v1/jobs/{job.job_id}")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "job_not_final")


def test_a_deleted_job_leaves_nothing(http: FlaskClient, client: Client, store: JobStore, objects: ObjectStore) -> None:
    job, other = half_done(client, store, webhook_url="https://a.example/"), JobId("job_" + "0" * 26)
    mine, others = f"jobs/{job.job_id}/0/h/picture.png", f"jobs/{other}/0/h/picture.png"
    for key in (mine, others):
        objects.put(ObjectKey(key), b"x", "image/png")
    assert http.delete(f"/v1/jobs/{job.job_id}").status_code == 204
    for path in ("", "/events", "/images/0"):
        assert http.get(f"/v1/jobs/{job.job_id}{path}").status_code == 404
    keys = [key for key in client.scan_iter("*") if job.job_id in key]
    assert keys == []
    assert client.zrange("gridpress:manifests", 0, -1) == []
    assert delete_objects_of_deleted_jobs(DeletedJobStore(client), objects) == 1
    assert _exists(objects, others)
    assert not _exists(objects, mine)


def test_objects_are_deleted_once_the_object_store_is_back(
    http: FlaskClient, client: Client, store: JobStore, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = half_done(client, store)
    http.delete(f"/v1/jobs/{job.job_id}")

    def fail(*_: object) -> None:
        raise ObjectStoreUnavailable("away")

    with monkeypatch.context() as away:
        away.setattr(ObjectStore, "delete_prefix", fail)
        with pytest.raises(ObjectStoreUnavailable):
            delete_objects_of_deleted_jobs(DeletedJobStore(client), objects)
    assert delete_objects_of_deleted_jobs(DeletedJobStore(client), objects) == 1
    assert delete_objects_of_deleted_jobs(DeletedJobStore(client), objects) == 0


def test_jobs_are_listed_by_several_statuses_time_and_order(http: FlaskClient, store: JobStore) -> None:
    jobs = [submitted(store) for _ in range(4)]
    store.cancel(jobs[1].job_id, DEFAULT_TENANT)
    every = [job.job_id for job in jobs]

    def listed(query: str) -> list[str]:
        return [job["id"] for job in http.get(f"/v1/jobs?{query}").get_json()["data"]]

    assert listed("status=queued,cancelled&order=asc") == listed("status=queued&status=cancelled&order=asc") == every
    assert listed("status=queued&order=asc") == [every[0], *every[2:]]
    assert listed(f"order=asc&after={every[1]}") == every[2:]
    assert listed("created_before=2020-01-01T00:00:00Z") == listed("created_after=2999-01-01T00:00:00Z") == []
    assert listed("created_after=2020-01-01T00:00:00Z&created_before=2999-01-01T00:00:00Z") == every[::-1]


def _exists(objects: ObjectStore, key: str) -> bool:
    try:
        objects.get(ObjectKey(key))
    except ObjectNotFound:
        return False
    return True
