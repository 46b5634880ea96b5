"""A job with `delete_after_s` is deleted that long after its end, with all its objects."""

from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey
from shared.store.core.connect import Client
from shared.store.jobs.deleted import DeletedJobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseStore
from tests.api.jobs.test_lives_of_inputs import RED, end_holds, without_manifest
from tests.api.pictures import data_url
from tests.shared.store.builders import RULES, finish_next
from tests.workers.batches.shop import a_line, jsonl
from workers.upkeep.deleted_jobs import delete_objects_of_deleted_jobs
from workers.upkeep.inputs import delete_unused_inputs

BODY: dict[str, Any] = {"prompt": "a kite", "delete_after_s": 60}
EXPIRIES = "gridpress:job_expiries"


def submitted(http: FlaskClient, **fields: Any) -> str:
    answer = http.post("/v1/jobs", json={**BODY, **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["id"])


def let_time_pass(client: Client) -> None:
    for key in (EXPIRIES, "gridpress:doomed"):
        for entry in client.zrange(key, 0, -1):
            client.zadd(key, {entry: 0})


def upkeep(house: Services, client: Client) -> int:
    """Returns the number of deleted jobs."""
    num = UpkeepStore(client).delete_due_jobs()
    while delete_objects_of_deleted_jobs(DeletedJobStore(client), house.objects):
        pass
    end_holds(client)
    delete_unused_inputs(house.inputs, house.objects)
    return num


def test_the_job_says_when_it_is_deleted(http: FlaskClient, client: Client) -> None:
    answer = http.post("/v1/jobs", json=BODY).get_json()
    assert (answer["delete_after_s"], answer["delete_at"]) == (60, None)
    finish_next(LeaseStore(client, RULES))
    job = http.get(f"/v1/jobs/{answer['id']}").get_json()
    ended = datetime.fromisoformat(job["finished_at"])
    assert datetime.fromisoformat(job["delete_at"]) == ended + timedelta(seconds=60)
    assert client.zscore(EXPIRIES, job["id"]) == ended.timestamp() * 1000 + 60_000


def test_without_it_a_job_stays(http: FlaskClient, client: Client) -> None:
    answer = http.post("/v1/jobs", json={"prompt": "a kite"}).get_json()
    http.post(f"/v1/jobs/{answer['id']}/cancel")
    assert (answer["delete_after_s"], client.exists(EXPIRIES)) == (None, 0)


@pytest.mark.parametrize("value", [0, 59, -1, 60.5, "soon", 366 * 24 * 3600 + 1, True])
def test_a_time_that_makes_no_sense_is_refused_by_name(http: FlaskClient, value: object) -> None:
    answer = http.post("/v1/jobs", json={**BODY, "delete_after_s": value})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "delete_after_s")


def test_nothing_of_the_job_is_left_when_the_time_is_over(http: FlaskClient, house: Services, client: Client) -> None:
    job = submitted(http, images=[data_url(RED)], size="256x256", webhook_url="https://a.example/")
    (image,) = house.store.job(JobId(job), DEFAULT_TENANT).spec.settings.images
    objects = [ObjectKey(f"jobs/{job}/{name}") for name in ("0/h/image.png", "0/h/preview1.jpg", "manifest.json")]
    for key in objects:
        house.objects.put(key, b"x", "image/png")
    finish_next(LeaseStore(client, RULES))
    assert (upkeep(house, client), http.get(f"/v1/jobs/{job}").status_code) == (0, 200)
    let_time_pass(client)
    assert upkeep(house, client) == 1
    let_time_pass(client)
    upkeep(house, client)
    assert http.get(f"/v1/jobs/{job}").status_code == 404
    assert [key for key in (*objects, image) if house.objects.has(key)] == []
    assert [key for key in client.keys("*") if job in key] == []
    assert client.zrange("gridpress:doomed", 0, -1) == []


def test_the_time_counts_from_the_last_end(http: FlaskClient, house: Services, client: Client) -> None:
    job = submitted(http)
    http.post(f"/v1/jobs/{job}/cancel")
    assert client.zrange(EXPIRIES, 0, -1) == [job]
    http.post(f"/v1/jobs/{job}/retry")
    assert client.zrange(EXPIRIES, 0, -1) == []
    let_time_pass(client)
    assert upkeep(house, client) == 0
    http.post(f"/v1/jobs/{job}/cancel")
    assert client.zrange(EXPIRIES, 0, -1) == [job]
    assert http.delete(f"/v1/jobs/{job}").status_code == 204
    assert client.zrange(EXPIRIES, 0, -1) == []


def test_objects_that_outlive_the_record_are_deleted_at_their_time(
    http: FlaskClient, house: Services, client: Client
) -> None:
    """The job is purged before the time is over, because its manifest could not be written."""
    job = submitted(http, delete_after_s=30 * 24 * 3600)
    http.post(f"/v1/jobs/{job}/cancel")
    ends = client.zscore(EXPIRIES, job)
    without_manifest(client, job)
    UpkeepStore(client).purge(-1)
    assert http.get(f"/v1/jobs/{job}").status_code == 404
    assert ends
    assert client.zrange("gridpress:doomed", 0, -1, withscores=True)[0] == (job, ends)
    picture = ObjectKey(f"jobs/{job}/0/h/image.png")
    house.objects.put(picture, b"x", "image/png")
    upkeep(house, client)
    assert house.objects.has(picture)
    let_time_pass(client)
    upkeep(house, client)
    assert not house.objects.has(picture)


def test_openais_routes_take_it_too(http: FlaskClient, house: Services) -> None:
    house.stopping.set()  # so the response does not wait for pictures
    answer = http.post("/v1/images/generations", json={**BODY, "delete_after_s": 90})
    job = house.store.job(JobId(answer.headers["x-gridpress-job-id"]), DEFAULT_TENANT)
    assert job.spec.delete_after_s == 90


def test_a_batch_line_may_not_have_it(http: FlaskClient, house: Services) -> None:
    asked: Any = {"file": (BytesIO(jsonl([a_line(0, delete_after_s=60)])), "in.jsonl"), "purpose": "batch"}
    file_id = http.post("/v1/files", data=asked).get_json()["id"]
    batch = {"input_file_id": file_id, "endpoint": "/v1/jobs", "completion_window": "24h", "dry_run": True}
    answer = http.post("/v1/batches", json=batch).get_json()
    assert "delete_after_s" in str(answer)
    assert "with its batch" in str(answer)
