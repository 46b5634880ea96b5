"""A retry of an edit counts by the pictures that it brings, not by their names."""

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.ids import DEFAULT_TENANT
from tests.api.pictures import png

SMALL, LARGE = png(), png(640, 512)


def send(http: FlaskClient, *pictures: bytes, **headers: str) -> str:
    """The job that it waited for; the boundary of the form is another every time."""
    files = [(io.BytesIO(picture), "a.png") for picture in pictures]
    form: dict[str, Any] = {"prompt": "a red kite", "image[]": files}
    answer = http.post("/v1/images/edits", data=form, headers=headers)
    assert answer.get_json()["error"]["code"] == "still_rendering"
    return answer.headers["x-gridpress-job-id"]


@pytest.fixture
def impatient(http: FlaskClient, house: Services) -> FlaskClient:
    """Nothing that it sends is answered with pictures."""
    house.stopping.set()
    return http


def retry(http: FlaskClient, *pictures: bytes) -> str:
    return send(http, *pictures, **{"x-stainless-retry-count": "1"})


def test_the_same_pictures_are_the_same_job(impatient: FlaskClient, house: Services) -> None:
    first = send(impatient, SMALL, LARGE)
    assert retry(impatient, SMALL, LARGE) == first
    (job,) = house.store.jobs(DEFAULT_TENANT, limit=9, after=None)
    assert len(job.spec.settings.images) == 2


@pytest.mark.parametrize("others", [(LARGE, SMALL), (SMALL, SMALL), (SMALL,)], ids=["order", "another", "fewer"])
def test_other_pictures_are_another_job(impatient: FlaskClient, others: tuple[bytes, ...]) -> None:
    first = send(impatient, SMALL, LARGE)
    assert retry(impatient, *others) != first
