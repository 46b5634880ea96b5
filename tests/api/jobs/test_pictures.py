import httpx
import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.ids import DEFAULT_TENANT, JobId
from shared.jobs.job import Job
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import with_settings
from tests.api.pictures import png
from tests.api.rendering import render_next
from tests.shared.store.builders import RULES, a_picture, submitted


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


def finished(house: Services, leases: LeaseStore, data: bytes, n: int = 1) -> Job:
    """A job whose first render has been through both stages; its picture is in the object store."""
    job = submitted(house.store, n)
    render_next(house, leases, data)
    return house.store.job(job.job_id, DEFAULT_TENANT)


def path_of(job_id: JobId, index: int = 0) -> str:
    return f"/v1/jobs/{job_id}/images/{index}"


def test_a_finished_picture_is_a_redirect_that_leads_to_it(
    http: FlaskClient, house: Services, leases: LeaseStore
) -> None:
    data = png()
    job = finished(house, leases, data)
    answer = http.get(path_of(job.job_id))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "no-store")
    fetched = httpx.get(answer.headers["Location"], trust_env=False)
    assert (fetched.content, fetched.headers["content-type"]) == (data, "image/png")
    assert f'{job.job_id}-0.png"' in fetched.headers["content-disposition"]


def test_where_the_object_store_is_out_of_reach_the_bytes_come_from_here(house: Services, leases: LeaseStore) -> None:
    data = png()
    job = finished(house, leases, data)
    http = with_settings(house, s3_links="streamed")
    answer = http.get(path_of(job.job_id))
    assert (answer.status_code, answer.data) == (200, data)
    assert (answer.content_type, answer.content_length) == ("image/png", len(data))
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'{job.job_id}-0.png"' in answer.headers["Content-Disposition"]


def test_the_answer_links_to_the_route_and_never_to_the_object_store(
    http: FlaskClient, house: Services, leases: LeaseStore
) -> None:
    job = finished(house, leases, png(), n=2)
    answer = http.get(f"/v1/jobs/{job.job_id}")
    assert [image["url"] for image in answer.get_json()["images"]] == [
        f"http://127.0.0.1:8000{path_of(job.job_id)}",
        None,
    ]
    assert "X-Amz" not in answer.text


def test_a_picture_that_is_not_finished_is_a_conflict_that_time_resolves(
    http: FlaskClient, house: Services, leases: LeaseStore
) -> None:
    job = finished(house, leases, png(), n=2)
    answer = http.get(path_of(job.job_id, 1))
    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["retryable"]) == (409, "image_not_ready", True)
    assert "Retry-After" in answer.headers


def test_a_picture_that_will_never_be_there_is_a_conflict_that_stays(
    http: FlaskClient, house: Services, leases: LeaseStore
) -> None:
    job = finished(house, leases, png(), n=2)
    house.store.cancel(job.job_id, DEFAULT_TENANT)
    problem = http.get(path_of(job.job_id, 1)).get_json()
    assert (problem["status"], problem["code"], problem["retryable"]) == (409, "image_not_made", False)
    assert http.get(path_of(job.job_id, 0)).status_code == 302


@pytest.mark.parametrize("index", ["1", "99999999999999999999999", "-1", "x", "0x0"])
def test_an_unknown_index_is_not_found(http: FlaskClient, house: Services, index: str) -> None:
    job = submitted(house.store)
    answer = http.get(f"/v1/jobs/{job.job_id}/images/{index}")
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_a_picture_that_left_the_object_store_is_not_found(house: Services, leases: LeaseStore) -> None:
    job = finished(house, leases, png())
    objects = ObjectStore(house.settings)
    objects._client.delete_object(Bucket=house.settings.s3_bucket, Key=a_picture().key)
    answer = with_settings(house, s3_links="streamed").get(path_of(job.job_id))
    assert (answer.status_code, answer.get_json()["code"]) == (404, "object_not_found")
