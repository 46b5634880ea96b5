"""Links to pictures work as they are: without a key, for HEAD, with ranges, and in a browser's cache."""

import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.jobs.picture_links import link_of
from api.services import Services
from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT
from shared.jobs.job import Job
from shared.objects.links import streams_links
from shared.settings.settings import Settings
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import with_settings
from tests.api.pictures import png
from tests.api.rendering import render_next
from tests.shared.store.builders import RULES, submitted

DATA = png()


@pytest.fixture
def job(house: Services, client: Client) -> Job:
    """Its first picture is finished, the second is not."""
    made = submitted(house.store, 2)
    render_next(house, LeaseStore(client, RULES), DATA)
    return house.store.job(made.job_id, DEFAULT_TENANT)


@pytest.fixture
def streamed(house: Services) -> FlaskClient:
    return with_settings(house, s3_links="streamed")


def path_of(http: FlaskClient, house: Services, job: Job, index: int = 0) -> str:
    with http.application.test_request_context():
        return urlsplit(link_of(house, job, index)).path


def fields_of(answer: TestResponse, *names: str) -> list[str | None]:
    return [answer.headers.get(name) for name in names]


def test_a_link_needs_no_key_where_the_service_needs_one(
    streamed: FlaskClient, house: Services, client: Client, job: Job
) -> None:
    KeyStore(client).create(DEFAULT_TENANT, [Scope.READ])
    assert streamed.get(f"/v1/jobs/{job.job_id}/images/0").status_code == 401
    answer = streamed.get(path_of(streamed, house, job))
    assert (answer.status_code, answer.data, answer.content_type) == (200, DATA, "image/png")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"  # an <img> of another site


def test_a_link_leads_to_the_object_store_where_clients_reach_it(http: FlaskClient, house: Services, job: Job) -> None:
    answer = http.get(path_of(http, house, job))
    assert answer.status_code == 302
    assert httpx.get(answer.headers["Location"], trust_env=False).content == DATA


@pytest.mark.parametrize("links", ["presigned", "streamed"])
@pytest.mark.parametrize("is_signed", [True, False])
def test_head_tells_of_the_picture_in_both_kinds(house: Services, job: Job, links: str, is_signed: bool) -> None:
    http = with_settings(house, s3_links=links)
    answer = http.head(path_of(http, house, job) if is_signed else f"/v1/jobs/{job.job_id}/images/0")
    assert (answer.status_code, answer.data, answer.content_length) == (200, b"", len(DATA))
    assert fields_of(answer, "Content-Type", "Accept-Ranges") == ["image/png", "bytes"]


@pytest.mark.parametrize(
    ("asked", "status", "data"),
    [
        ("bytes=0-9", 206, DATA[:10]),
        ("bytes=10-", 206, DATA[10:]),
        ("bytes=-7", 206, DATA[-7:]),
        (f"bytes=5-{2 * len(DATA)}", 206, DATA[5:]),
        (f"bytes=0-{len(DATA) - 1}", 200, DATA),
        ("bytes=0-1,4-5", 200, DATA),  # several ranges would need a multipart response
        ("lines=1-2", 200, DATA),
        ("nonsense", 200, DATA),
    ],
)
def test_a_range_of_bytes_is_read(streamed: FlaskClient, job: Job, asked: str, status: int, data: bytes) -> None:
    answer = streamed.get(f"/v1/jobs/{job.job_id}/images/0", headers={"Range": asked})
    assert (answer.status_code, answer.data, answer.content_length) == (status, data, len(data))


def test_a_range_beyond_the_end_is_refused(streamed: FlaskClient, job: Job) -> None:
    answer = streamed.get(f"/v1/jobs/{job.job_id}/images/0", headers={"Range": f"bytes={len(DATA)}-"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{len(DATA)}")


def test_a_download_goes_on_only_with_the_same_bytes(streamed: FlaskClient, job: Job) -> None:
    path, part = f"/v1/jobs/{job.job_id}/images/0", {"Range": "bytes=10-"}
    etag = streamed.head(path).headers["ETag"]
    assert streamed.get(path, headers={**part, "If-Range": etag}).status_code == 206
    assert streamed.get(path, headers={**part, "If-Range": '"other"'}).data == DATA


def test_a_browser_that_has_the_picture_gets_none(streamed: FlaskClient, house: Services, job: Job) -> None:
    path = path_of(streamed, house, job)
    again = streamed.get(path, headers={"If-None-Match": streamed.get(path).headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def changed(path: str, index: str) -> dict[str, str]:
    head, _, name = path.rpartition("/")
    expires, _, rest = name.partition("-")
    return {
        "signature": f"{head}/{expires}-{'0' * 64}.png",
        "expiry": f"{head}/{int(expires) + 1}-{rest}",
        "index": path.replace("/images/0/", f"/images/{index}/"),
        "no signature": f"{head}/{expires}.png",
        "client's id": "/v1/jobs/my-own-id/images/0/links/" + name,
    }


@pytest.mark.attack
@pytest.mark.parametrize("what", ["signature", "expiry", "index", "no signature", "client's id"])
def test_a_changed_link_leads_nowhere(streamed: FlaskClient, house: Services, job: Job, what: str) -> None:
    answer = streamed.get(changed(path_of(streamed, house, job), "1")[what])
    assert (answer.status_code, answer.get_json()["code"]) == (404, "image_not_found")


def test_a_link_expires(streamed: FlaskClient, house: Services, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    path, later = path_of(streamed, house, job), time.time() + house.settings.s3_presign_ttl_s + 1
    monkeypatch.setattr("api.jobs.picture_links.time.time", lambda: later)
    assert streamed.get(path).status_code == 404


@pytest.mark.parametrize(
    ("given", "is_streamed"),
    [
        ({"s3_endpoint_url": "http://127.0.0.1:8333"}, True),
        ({"s3_endpoint_url": "http://localhost:8333"}, True),
        ({"s3_endpoint_url": "http://[::1]:8333"}, True),
        ({"s3_endpoint_url": "http://seaweedfs:8333"}, True),
        ({"s3_endpoint_url": "http://minio.stores.svc:9000"}, True),
        ({"s3_endpoint_url": "http://minio.stores.svc.cluster.local.:9000"}, True),
        ({"s3_endpoint_url": "http://host.docker.internal:9000"}, True),
        ({"s3_endpoint_url": "https://svc.example.com"}, False),
        ({"s3_endpoint_url": "http://seaweedfs:8333", "s3_public_endpoint_url": "https://s3.example.com"}, False),
        ({"s3_endpoint_url": "https://s3.example.com"}, False),
        ({"s3_endpoint_url": "http://10.0.0.7:9000"}, False),
        ({}, False),
        ({"s3_endpoint_url": "http://127.0.0.1:8333", "s3_links": "presigned"}, False),
        ({"s3_links": "streamed"}, True),
    ],
)
def test_links_choose_by_the_address_of_the_object_store(given: dict[str, Any], is_streamed: bool) -> None:
    assert streams_links(Settings(**given)) == is_streamed
