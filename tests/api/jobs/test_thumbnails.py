"""Small versions of finished pictures."""

from io import BytesIO

import pytest
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from api.services import Services
from shared.errors import ObjectNotFound
from shared.ids import Revision
from shared.jobs.job import Job
from shared.jobs.spec import OutputFormat, RenderSettings
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import with_settings
from tests.api.pictures import png
from tests.api.rendering import render_next
from tests.fixtures.labels import GENERATED, aigc_of, source_type_of
from tests.fixtures.pictures import photo_like
from tests.shared.store.builders import RULES, submitted
from workers.dit.pictures.encode import Provenance, encode_picture
from workers.dit.pictures.labelling import Labelling


@pytest.fixture
def job(house: Services, store: JobStore, client: Client) -> Job:
    made = submitted(store)
    render_next(house, LeaseStore(client, RULES), png(640, 320), has_own_folder=True)
    return made


def fetched(http: FlaskClient, job: Job, size: str, **fields: str) -> TestResponse:
    return http.get(f"/v1/jobs/{job.job_id}/images/0?size={size}", headers=fields)


@pytest.mark.parametrize(("size", "expected"), [("128", (128, 64)), ("256", (256, 128)), ("512", (512, 256))])
def test_a_thumbnail_is_the_picture_in_small(http: FlaskClient, job: Job, size: str, expected: tuple[int, int]) -> None:
    answer = fetched(http, job, size)
    assert (answer.status_code, answer.content_type) == (200, "image/webp")
    small = Image.open(BytesIO(answer.data))
    assert small.size == expected
    assert small.convert("RGB").getpixel((5, 5)) == pytest.approx((0, 128, 128), abs=4)


@pytest.mark.parametrize("output_format", OutputFormat)
def test_a_thumbnail_keeps_the_label_of_its_picture(
    http: FlaskClient, house: Services, store: JobStore, client: Client, output_format: OutputFormat
) -> None:
    settings = RenderSettings(prompt="a cake", width_px=640, height_px=320, output_format=output_format)
    provenance = Provenance(1, "model", Revision("r1"), "0.1.0")
    made = encode_picture(photo_like(640, 320, seed=1), settings, provenance, Labelling("示例公司"))
    job = submitted(store)
    render_next(house, LeaseStore(client, RULES), made.data, has_own_folder=True)
    small = fetched(http, job, "128").data
    assert Image.open(BytesIO(small)).size == (128, 64)
    assert source_type_of(small) == GENERATED
    assert aigc_of(small) == aigc_of(made.data)


def test_a_thumbnail_is_made_once(
    http: FlaskClient, house: Services, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetched(http, job, "256")

    def broken(key: str) -> bytes:
        raise ObjectNotFound(f"{key} was read again")

    monkeypatch.setattr(house.objects, "get", broken)
    assert fetched(http, job, "256").data == first.data
    assert fetched(http, job, "128").status_code == 404


def test_a_browser_that_has_a_thumbnail_gets_no_bytes(http: FlaskClient, job: Job) -> None:
    first = fetched(http, job, "256")
    assert first.headers["Cache-Control"] == "private, max-age=3600"
    assert {"Authorization", "Cookie"} <= set(first.vary)
    again = fetched(http, job, "256", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert fetched(http, job, "512").headers["ETag"] != first.headers["ETag"]


def test_the_original_is_sent_even_where_links_lead_to_the_object_store(house: Services, job: Job) -> None:
    http = with_settings(house, s3_links="presigned")
    assert http.get(f"/v1/jobs/{job.job_id}/images/0").status_code == 302
    answer = fetched(http, job, "original")
    assert (answer.status_code, answer.content_type) == (200, "image/png")
    assert Image.open(BytesIO(answer.data)).size == (640, 320)
    assert fetched(http, job, "256").status_code == 200


def test_thumbnails_are_deleted_with_their_job(http: FlaskClient, house: Services, job: Job) -> None:
    fetched(http, job, "128")
    house.objects.delete_prefix(f"jobs/{job.job_id}/")  # as upkeep does
    assert fetched(http, job, "128").status_code == 404


def test_bytes_that_are_no_picture_are_a_problem(
    http: FlaskClient, house: Services, store: JobStore, client: Client
) -> None:
    made = submitted(store)
    render_next(house, LeaseStore(client, RULES), b"no picture", has_own_folder=True)
    answer = fetched(http, made, "128")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_image")


@pytest.mark.parametrize("size", ["64", "0", "-1", "1e9", ""])
def test_only_known_sizes_are_made(http: FlaskClient, job: Job, size: str) -> None:
    answer = fetched(http, job, size)
    assert (answer.status_code, answer.get_json()["field"]) == (400, "size")


def test_pages_of_other_origins_may_show_pictures_only_where_cors_allows_some(house: Services, job: Job) -> None:
    path, field = f"/v1/jobs/{job.job_id}/images/0?size=128", "Cross-Origin-Resource-Policy"
    assert with_settings(house).get(path).headers[field] == "same-origin"
    allowing = with_settings(house, cors_origins="https://shop.example")
    assert allowing.get(path).headers[field] == "cross-origin"
    assert allowing.get(f"/v1/jobs/{job.job_id}").headers[field] == "same-origin"
