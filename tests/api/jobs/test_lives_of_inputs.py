"""A condition image is stored as long as a job uses it, and no longer."""

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey
from shared.jobs.job import Job
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from shared.store.inputs.inputs import InputStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseStore
from tests.api.pictures import data_url, png
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior
from workers.upkeep.inputs import delete_unused_inputs

RED, BLUE = png(256, 256, "red"), png(256, 320, "blue")


def an_edit(http: FlaskClient, *pictures: bytes, **fields: Any) -> str:
    asked = {"prompt": "on grass", "images": [data_url(each) for each in pictures], "size": "256x256"}
    answer = http.post("/v1/jobs", json=asked, **fields)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["id"])


def delete(http: FlaskClient, job: str) -> None:
    http.post(f"/v1/jobs/{job}/cancel")
    assert http.delete(f"/v1/jobs/{job}").status_code == 204


def inputs_of(house: Services, job: str) -> list[ObjectKey]:
    return list(house.store.job(JobId(job), DEFAULT_TENANT).spec.settings.images)


def end_holds(client: Client) -> None:
    """As if the time of all holds had passed."""
    for key in client.zrange("gridpress:inputs_unused", 0, -1):
        client.zadd("gridpress:inputs_unused", {key: 0})


def upkeep(house: Services, client: Client) -> int:
    end_holds(client)
    return delete_unused_inputs(house.inputs, house.objects)


def with_grid(client: Client) -> None:
    """Makes the token grid of the render that waits first."""
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())


def left(client: Client) -> list[str]:
    """The store's records of condition images."""
    return [key for key in client.keys("gridpress:input*") if key != "gridpress:input_sweep"]


def without_manifest(client: Client, job: str) -> None:
    """As if all attempts to write the manifest had failed for days. Upkeep then purges the job."""
    client.delete("gridpress:manifests")
    client.hset(f"gridpress:job:{job}", mapping={"manifest_error": "away", "manifest_asked_ms": 1})


def test_images_go_with_the_last_job_that_uses_them(http: FlaskClient, house: Services, client: Client) -> None:
    first, second = an_edit(http, RED, BLUE), an_edit(http, BLUE)
    red, blue = inputs_of(house, first)
    assert inputs_of(house, second) == [blue]
    delete(http, first)
    assert upkeep(house, client) == 1
    assert (house.objects.has(red), house.objects.has(blue)) == (False, True)
    assert http.get(f"/v1/jobs/{second}/inputs/0?size=original").status_code == 200
    delete(http, second)
    assert upkeep(house, client) == 1
    assert (house.objects.has(blue), left(client)) == (False, [])


def test_an_image_goes_when_its_job_is_purged(http: FlaskClient, house: Services, client: Client) -> None:
    job = an_edit(http, RED)
    (red,) = inputs_of(house, job)
    http.post(f"/v1/jobs/{job}/cancel")
    without_manifest(client, job)
    UpkeepStore(client).purge(-1)
    assert http.get(f"/v1/jobs/{job}").status_code == 404
    assert (upkeep(house, client), house.objects.has(red), left(client)) == (1, False, [])


def test_a_job_that_ended_keeps_its_images_for_a_retry(http: FlaskClient, house: Services, client: Client) -> None:
    job = an_edit(http, RED)
    (red,) = inputs_of(house, job)
    http.post(f"/v1/jobs/{job}/cancel")
    assert (upkeep(house, client), house.objects.has(red)) == (0, True)
    assert http.post(f"/v1/jobs/{job}/retry").status_code == 202
    assert (upkeep(house, client), house.objects.has(red)) == (0, True)


def test_a_re_render_keeps_the_images_of_its_source(http: FlaskClient, house: Services, client: Client) -> None:
    source = an_edit(http, RED)
    with_grid(client)
    again = http.post("/v1/jobs", json={"prior": {"job_id": source, "index": 0}}).get_json()["id"]
    delete(http, source)
    assert upkeep(house, client) == 0
    assert http.get(f"/v1/jobs/{again}/inputs/0?size=original").status_code == 200
    delete(http, again)
    assert (upkeep(house, client), left(client)) == (1, [])


def test_an_edit_of_the_openai_route_counts_as_well(http: FlaskClient, house: Services, client: Client) -> None:
    house.stopping.set()  # so the response does not wait for pictures
    form: dict[str, Any] = {"prompt": "on grass", "image": (io.BytesIO(RED), "a.png"), "size": "256x256"}
    job = http.post("/v1/images/edits", data=form).headers["x-gridpress-job-id"]
    (red,) = inputs_of(house, job)
    assert (upkeep(house, client), house.objects.has(red)) == (0, True)
    delete(http, job)
    assert (upkeep(house, client), house.objects.has(red), left(client)) == (1, False, [])


def test_a_repeated_request_counts_once(http: FlaskClient, house: Services, client: Client) -> None:
    fields = {"headers": {"Idempotency-Key": "k"}}
    job = an_edit(http, RED, **fields)
    assert an_edit(http, RED, **fields) == job
    named = {"prompt": "on grass", "images": [data_url(RED)], "size": "256x256"}
    twice = [http.put("/v1/jobs/mine", json=named).get_json()["id"] for _ in range(2)]
    (red,) = inputs_of(house, job)
    assert client.smembers(f"gridpress:input_uses:{red}") == {job, twice[0]}
    delete(http, job)
    delete(http, "mine")
    assert (upkeep(house, client), left(client)) == (1, [])


def test_equal_images_of_two_tenants_are_two_objects(house: Services, client: Client) -> None:
    inputs, digest = InputStore(client), "0" * 64
    ours, again, theirs = (inputs.hold(name, [(digest, 5)])[0] for name in (DEFAULT_TENANT, DEFAULT_TENANT, "globex"))  # type: ignore[arg-type]
    assert ours == again != theirs


def test_an_image_whose_request_was_refused_goes_when_its_hold_ends(
    http: FlaskClient, house: Services, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> Job:
        raise StoreUnavailable("killed")

    monkeypatch.setattr(JobStore, "submit", die)
    asked = {"prompt": "on grass", "images": [data_url(RED)], "size": "256x256"}
    assert http.post("/v1/jobs", json=asked).status_code == 503
    (red,) = client.zrange("gridpress:inputs_unused", 0, -1)
    assert (delete_unused_inputs(house.inputs, house.objects), house.objects.has(ObjectKey(red))) == (0, True)
    assert (upkeep(house, client), house.objects.has(ObjectKey(red)), left(client)) == (1, False, [])


def test_an_image_is_known_before_it_is_stored(
    http: FlaskClient, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[float | None] = []
    monkeypatch.setattr(
        ObjectStore, "put", lambda _, key, *rest: known.append(client.zscore("gridpress:inputs_unused", key))
    )
    an_edit(http, RED)
    assert len(known) == 1
    assert known[0]


def test_a_job_is_refused_when_its_image_was_deleted_meanwhile(
    http: FlaskClient, house: Services, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process stood still for longer than the hold."""
    submit = JobStore.submit

    def late(*args: Any, **named: Any) -> Job:
        assert upkeep(house, client) == 1
        return submit(*args, **named)

    asked = {"prompt": "on grass", "images": [data_url(RED)], "size": "256x256"}
    with monkeypatch.context() as slow:
        slow.setattr(JobStore, "submit", late)
        answer = http.post("/v1/jobs", json=asked)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "store_unavailable")
    assert http.get("/v1/jobs").get_json()["data"] == []
    job = http.post("/v1/jobs", json=asked).get_json()["id"]
    assert http.get(f"/v1/jobs/{job}/inputs/0?size=original").status_code == 200


def test_a_re_render_of_a_job_deleted_meanwhile_is_refused(
    http: FlaskClient, house: Services, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, submit = an_edit(http, RED), JobStore.submit
    with_grid(client)

    def late(*args: Any, **named: Any) -> Job:
        house.store.cancel(JobId(source), DEFAULT_TENANT)
        house.store.delete(JobId(source), DEFAULT_TENANT)
        assert upkeep(house, client) == 1
        return submit(*args, **named)

    monkeypatch.setattr(JobStore, "submit", late)
    answer = http.post("/v1/jobs", json={"prior": {"job_id": source, "index": 0}})
    assert (answer.status_code, answer.get_json()["code"]) == (404, "prior_not_found")


def test_the_next_equal_image_gets_an_object_that_no_late_deletion_hits(
    http: FlaskClient, house: Services, client: Client
) -> None:
    delete(http, an_edit(http, RED))
    end_holds(client)
    (doomed,) = house.inputs.unused(9)  # and the process that deletes it stands still now
    job = an_edit(http, RED)
    house.objects.delete(doomed)
    house.inputs.forget(doomed)
    assert http.get(f"/v1/jobs/{job}/inputs/0?size=original").status_code == 200
    assert upkeep(house, client) == 0
