"""Streams, event by event: what is sent while a picture is drawn, and how they end."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.services import Services
from shared.errors import ObjectStoreUnavailable
from shared.ids import DEFAULT_TENANT, ObjectKey
from shared.jobs.job import Picture
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.api.pictures import data_url, png
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior

DATA = png(256, 256) + b"!"  # one byte more than base64 has room for in whole groups
KEY = ObjectKey("jobs/x/a.png")
BODY = {"prompt": "a red kite", "size": "256x256", "stream": True, "partial_images": 2}
RETRY = {"x-stainless-retry-count": "1"}


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


def begun(http: FlaskClient, path: str = "generations", **fields: Any) -> TestResponse:
    """Its first bytes were sent."""
    return http.post(f"/v1/images/{path}", json={**BODY, **fields}, buffered=False)


def events(answer: TestResponse) -> list[dict[str, Any]]:
    """The data of all, once it has ended."""
    blocks = [block for block in answer.text.split("\n\n") if not block.startswith(":") and block]
    found = [(block.partition("\n")[0], json.loads(block.partition("data: ")[2])) for block in blocks]
    assert all(line == f"event: {data.get('type', 'error')}" for line, data in found)
    return [data for _, data in found]


def decoding(leases: LeaseStore) -> Claim:
    """A render in the DiT."""
    prior = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    leases.finish_prior(prior.lease, a_prior())
    decode = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert decode
    return decode


def finish(house: Services, leases: LeaseStore, claim: Claim) -> None:
    house.objects.put(KEY, DATA, "image/png")
    leases.finish_picture(claim.lease, Picture(KEY, KEY, "0" * 64, len(DATA), "image/png"))


def test_previews_come_before_their_picture(http: FlaskClient, house: Services, leases: LeaseStore) -> None:
    answer = begun(http)
    assert answer.content_type.startswith("text/event-stream")
    claim = decoding(leases)
    for number in (1, 2):
        key = ObjectKey(f"jobs/x/p-{number}.jpeg")
        house.objects.put(key, b"preview %d" % number, "image/jpeg")
        leases.publish_event(claim.lease, "render.preview", {"index": 0, "number": number, "total": 2, "key": key})
    finish(house, leases, claim)
    *partials, last = events(answer)
    head = {"size": "256x256", "quality": "high", "background": "opaque", "image_index": 0}
    for number, partial in enumerate(partials, start=1):
        assert base64.b64decode(partial.pop("b64_json")) == b"preview %d" % number
        assert isinstance(partial.pop("created_at"), int)
        kind = {"type": "image_generation.partial_image", "partial_image_index": number - 1, "output_format": "jpeg"}
        assert partial == head | kind
    assert len(partials) == 2
    assert base64.b64decode(last.pop("b64_json"), validate=True) == DATA
    assert last["usage"]["total_tokens"] == last["usage"]["output_tokens"] > 0
    assert (last["type"], last["output_format"]) == ("image_generation.completed", "png")


def test_a_preview_that_is_gone_is_left_out(http: FlaskClient, house: Services, leases: LeaseStore) -> None:
    answer = begun(http, "edits", images=[{"image_url": data_url(png())}], input_fidelity="low")
    claim = decoding(leases)
    leases.publish_event(claim.lease, "render.preview", {"index": 0, "number": 1, "total": 2, "key": "jobs/x/gone"})
    finish(house, leases, claim)
    (event,) = events(answer)
    assert event["type"] == "image_edit.completed"
    assert [text.partition(" ")[0] for text in event["warnings"]] == ["input_fidelity"]


def test_a_stream_whose_job_is_cancelled_ends_with_an_error(http: FlaskClient, house: Services) -> None:
    answer = begun(http)
    house.store.cancel(house.store.jobs(DEFAULT_TENANT, limit=1, after=None)[0].job_id, DEFAULT_TENANT)
    (event,) = events(answer)
    assert (event["error"]["code"], event["error"]["retryable"]) == ("job_cancelled", False)


def test_a_server_that_stops_says_so_and_a_retry_goes_on(
    http: FlaskClient, house: Services, leases: LeaseStore
) -> None:
    answer = begun(http)
    house.stop()
    (event,) = events(answer)
    assert (event["error"]["code"], event["error"]["retryable"]) == ("still_rendering", True)
    house.stopping.clear()
    finish(house, leases, decoding(leases))
    again = http.post("/v1/images/generations", json=BODY, headers=RETRY)
    assert [event["type"] for event in events(again)] == ["image_generation.completed"]
    assert again.headers["x-gridpress-job-id"] == answer.headers["x-gridpress-job-id"]
    assert len(house.store.jobs(DEFAULT_TENANT, limit=9, after=None)) == 1


def test_a_stream_that_was_sent_whole_is_no_retrys(http: FlaskClient, house: Services, leases: LeaseStore) -> None:
    answer = begun(http)
    finish(house, leases, decoding(leases))
    events(answer)
    again = http.post("/v1/images/generations", json=BODY, headers=RETRY, buffered=False)
    assert again.headers["x-gridpress-job-id"] != answer.headers["x-gridpress-job-id"]
    again.close()


def test_an_answer_by_key_is_read_anew_from_its_job(http: FlaskClient, house: Services, leases: LeaseStore) -> None:
    fields, key = {"prompt": "a", "size": "256x256", "response_format": "url"}, {"Idempotency-Key": "one"}
    house.stopping.set()
    assert http.post("/v1/images/generations", json=fields, headers=key).status_code == 503
    house.stopping.clear()
    finish(house, leases, decoding(leases))
    answers = [http.post("/v1/images/generations", json=fields, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("/links/" in answer.get_json()["data"][0]["url"] for answer in answers)
    assert len({answer.headers["x-gridpress-job-id"] for answer in answers}) == 1


def test_a_picture_that_can_not_be_read_to_its_end_is_one_whole_error(
    http: FlaskClient, house: Services, leases: LeaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(_: ObjectStore, key: ObjectKey) -> Iterator[bytes]:
        yield DATA[:100]
        raise ObjectStoreUnavailable(f"{key} broke off")

    answer = begun(http)
    finish(house, leases, decoding(leases))
    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "stream", breaks_off)
        (event,) = events(answer)
    assert (event["error"]["code"], event["error"]["retryable"]) == (ObjectStoreUnavailable.code, True)
    again = http.post("/v1/images/generations", json=BODY, headers=RETRY)
    assert [event["type"] for event in events(again)] == ["image_generation.completed"]
    assert again.headers["x-gridpress-job-id"] == answer.headers["x-gridpress-job-id"]
