"""What a client of Z.ai's image API sees when only its base URL was changed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.ids import DEFAULT_TENANT, JobId, TenantId
from shared.jobs.spec import Quality
from shared.jobs.states import Stage
from shared.jobs.text_check import TextCheck
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import with_settings
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, finish_next

SYNC, ASYNC = "/paas/v4/images/generations", "/paas/v4/async/images/generations"
BODY = {"model": "glm-image", "prompt": "a red kite"}


@contextmanager
def a_worker(client: Client) -> Iterator[None]:
    """Finishes whatever comes, until the block ends."""
    leases, done = LeaseStore(client, RULES), threading.Event()

    def work() -> None:
        while not done.is_set():
            if claim := leases.claim(Stage.AR, REVISION, WORKER_ID):
                leases.finish_prior(claim.lease, a_prior())
            if claim := leases.claim(Stage.DIT, REVISION, WORKER_ID):
                leases.finish_picture(claim.lease, a_picture())
            time.sleep(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def error_of(answer: Any) -> dict[str, Any]:
    assert answer.content_type == "application/json"
    return answer.get_json()["error"]


def spec_of(house: Services, task: dict[str, Any]) -> Any:
    return house.store.job(JobId(task["id"]), DEFAULT_TENANT).spec


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_a_request_that_waits_gets_links_that_need_no_key(http: FlaskClient, client: Client, prefix: str) -> None:
    with a_worker(client):
        answer = http.post(prefix + SYNC, json={**BODY, "n": 2})
    told = answer.get_json()
    assert (answer.status_code, sorted(told)) == (200, ["content_filter", "created", "data"])
    assert isinstance(told["created"], int)
    assert len(told["data"]) == 2
    assert all("/links/" in image["url"] for image in told["data"])


def test_links_begin_with_the_public_url(house: Services, client: Client) -> None:
    http = with_settings(house, public_url="https://pictures.example.com/")
    with a_worker(client):
        (image,) = http.post(SYNC, json=BODY).get_json()["data"]
    assert image["url"].startswith("https://pictures.example.com/v1/jobs/job_")


def test_a_retry_after_the_longest_wait_finds_the_same_job(house: Services) -> None:
    http = with_settings(house, images_wait_s=0.05)
    assert [http.post(SYNC, json=BODY).status_code for _ in range(3)] == [408, 408, 408]
    assert len(house.store.jobs(DEFAULT_TENANT, limit=9, after=None)) == 1


def test_a_task_is_processing_until_its_picture_is_there(http: FlaskClient, client: Client) -> None:
    task = http.post(ASYNC, json={**BODY, "request_id": "my-request-7"}).get_json()
    told = {key: task[key] for key in ("model", "request_id", "task_status")}
    assert told == {"model": "zai-org/GLM-Image", "request_id": "my-request-7", "task_status": "PROCESSING"}
    assert "image_result" not in task
    result = f"/api/paas/v4/async-result/{task['id']}"
    assert http.get(result).get_json() == task
    finish_next(LeaseStore(client, RULES))
    finished = http.get(result).get_json()
    assert finished["task_status"] == "SUCCESS"
    assert [list(image) for image in finished["image_result"]] == [["url"]]


def test_a_task_without_a_request_id_has_its_own(http: FlaskClient) -> None:
    task = http.post(ASYNC, json=BODY).get_json()
    assert task["request_id"] == task["id"]


def test_a_task_that_ended_without_its_picture_failed(http: FlaskClient) -> None:
    task = http.post(ASYNC, json=BODY).get_json()
    http.post(f"/v1/jobs/{task['id']}/cancel")
    ended = http.get(f"/paas/v4/async-result/{task['id']}").get_json()
    assert (ended["task_status"], ended["error"]["code"]) == ("FAIL", "cancelled")
    assert "image_result" not in ended


def test_a_request_that_waits_tells_how_its_job_ended(house: Services, http: FlaskClient, client: Client) -> None:
    def cancel() -> None:
        while not (jobs := house.store.jobs(DEFAULT_TENANT, limit=1, after=None)):
            time.sleep(0.01)
        house.store.cancel(jobs[0].job_id, DEFAULT_TENANT)

    thread = threading.Thread(target=cancel)
    thread.start()
    answer = http.post(SYNC, json=BODY)
    thread.join()
    assert (answer.status_code, error_of(answer)["reason"], error_of(answer)["code"]) == (422, "job_not_made", "1230")


def test_a_server_that_stops_says_where_to_ask(http: FlaskClient, house: Services) -> None:
    house.stopping.set()
    answer = http.post(SYNC, json=BODY)
    told = error_of(answer)
    assert (answer.status_code, told["reason"], told["retryable"]) == (408, "still_rendering", True)
    assert "/paas/v4/async-result/job_" in told["message"]


def test_a_retry_with_a_key_finds_the_job_and_its_pictures(house: Services, http: FlaskClient, client: Client) -> None:
    key = {"Idempotency-Key": "one"}
    house.stopping.set()
    assert http.post(SYNC, json=BODY, headers=key).status_code == 408
    house.stopping.clear()
    finish_next(LeaseStore(client, RULES))
    answer = http.post(SYNC, json=BODY, headers=key)
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (200, "true")
    assert len(house.store.jobs(DEFAULT_TENANT, limit=9, after=None)) == 1


@pytest.mark.attack
@pytest.mark.parametrize("path", [SYNC, ASYNC])
def test_a_retry_with_a_key_gets_links_of_its_own(
    house: Services, http: FlaskClient, client: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Those of the first answer may have expired."""
    key = {"Idempotency-Key": "one"}
    house.stopping.set()
    http.post(path, json=BODY, headers=key)
    house.stopping.clear()
    finish_next(LeaseStore(client, RULES))
    numbers = count()
    monkeypatch.setattr("api.jobs.picture_links._signature", lambda *_: f"{next(numbers):064x}")
    links = [told(http.post(path, json=BODY, headers=key).get_json()) for _ in range(3)]
    assert len(set(links)) == (3 if path == SYNC else 1)
    assert len(house.store.jobs(DEFAULT_TENANT, limit=9, after=None)) == 1


@pytest.mark.attack
def test_nothing_that_is_stored_holds_a_link_that_expires(http: FlaskClient, client: Client) -> None:
    doors = {
        "/v1/jobs": {"prompt": "a", "webhook_url": "https://a.example/"},
        "/v1/images/generations": {"prompt": "a", "response_format": "url"},
        SYNC: BODY,
        ASYNC: BODY,
    }
    with a_worker(client):
        for number, (path, body) in enumerate(doors.items()):
            for _ in range(2):
                fields = {"Idempotency-Key": f"key-{number}", "Prefer": "wait=20"}
                assert http.post(path, json=body, headers=fields).status_code < 300
    assert "/links/" in http.post(SYNC, json=BODY, headers={"Idempotency-Key": "key-2"}).text
    for key in client.scan_iter("gridpress:*", _type="hash"):
        assert not any(mark in str(client.hgetall(key)) for mark in ("X-Amz-", "/links/")), key
    for key in client.scan_iter("gridpress:events:*"):
        assert not any(mark in str(client.xrange(key)) for mark in ("X-Amz-", "/links/")), key
    for key in client.scan_iter("gridpress:past_events:*"):
        assert not any(mark in str(client.get(key)) for mark in ("X-Amz-", "/links/")), key


def told(answer: dict[str, Any]) -> str | None:
    """The first link of an answer."""
    links = answer.get("data") or answer.get("image_result")
    return links[0]["url"] if links else None


def test_defaults_are_zais(http: FlaskClient, house: Services) -> None:
    spec = spec_of(house, http.post(ASYNC, json={"prompt": "a"}).get_json())
    assert (spec.settings.width_px, spec.settings.height_px, spec.n) == (1280, 1280, 1)
    assert spec.settings.quality is Quality.EXACT


@pytest.mark.parametrize(
    "size", ["1280x1280", "1568x1056", "1056x1568", "1472x1088", "1088x1472", "1728x960", "960x1728", "256x512"]
)
def test_its_sizes_are_rendered_and_others_of_ours(http: FlaskClient, house: Services, size: str) -> None:
    settings = spec_of(house, http.post(ASYNC, json={**BODY, "size": size}).get_json()).settings
    assert f"{settings.width_px}x{settings.height_px}" == size


def test_every_field_that_can_be_kept_is(http: FlaskClient, house: Services) -> None:
    sent = {
        "model": "zai-org/GLM-Image",
        "n": 3,
        "quality": "standard",
        "response_format": "url",
        "style": None,
        "user_id": "customer-7",
        "request_id": "r1",
        "watermark_enabled": False,
        "sensitive_word_check": {"type": "ALL", "status": "DISABLE"},
    }
    spec = spec_of(house, http.post(ASYNC, json={**BODY, **sent}).get_json())
    assert (spec.n, spec.settings.quality, spec.settings.mark) == (3, Quality.FAST, None)
    assert spec.metadata == {"user_id": "customer-7", "request_id": "r1"}


@pytest.mark.parametrize(("asked", "mark"), [(True, "AI生成"), (False, None), (None, None)])
def test_a_watermark_is_the_visible_mark(house: Services, asked: bool | None, mark: str | None) -> None:
    http = with_settings(house, mark_text="AI生成")
    task = http.post(ASYNC, json={**BODY, "watermark_enabled": asked}).get_json()
    assert spec_of(house, task).settings.mark == mark
    assert http.get(f"/v1/jobs/{task['id']}").get_json()["visible_mark"] is (mark is not None)


@pytest.mark.parametrize(("asked", "redraws"), [({}, 3), ({"redraws": 0}, 0)])
def test_a_text_check_is_that_of_a_job(house: Services, asked: dict[str, int], redraws: int) -> None:
    http = with_settings(house, text_reader="hook")
    task = http.post(ASYNC, json={**BODY, "prompt": 'a sign "OPEN"', "text_check": asked}).get_json()
    assert spec_of(house, task).text_check == TextCheck(redraws=redraws)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"watermark_enabled": "perhaps"}, "watermark_enabled"),
        ({"sensitive_word_check": {"type": "ALL", "status": "ENABLE"}}, "sensitive_word_check.status"),
        ({"style": "watercolour"}, "style"),
        ({"response_format": "b64_json"}, "response_format"),
        ({"quality": "ultra"}, "quality"),
        ({"user_id": "short"}, "user_id"),
        ({"seed": 7}, "seed"),
        ({"text_check": {}}, "text_check"),  # the service has no reader
        ({"text_check": {"redraws": -1}}, "text_check.redraws"),
        ({"text_check": "yes"}, "text_check"),
        ({"n": 99}, "n"),
        ({"n": "two"}, "n"),
        ({"size": "1000x1000"}, "size"),
        ({"size": "large"}, "size"),
        ({"prompt": " "}, "prompt"),
    ],
)
def test_what_can_not_be_kept_is_refused_by_name(http: FlaskClient, fields: dict[str, Any], field: str) -> None:
    answer = http.post(ASYNC, json={**BODY, **fields})
    told = error_of(answer)
    assert (answer.status_code, told["code"], told["field"]) == (400, "1214", field)
    assert isinstance(told["message"], str)
    assert http.get("/v1/jobs").get_json()["data"] == []


def test_a_hint_without_effect_leads_to_a_warning(house: Services, client: Client) -> None:
    http = with_settings(house, model_aliases="cogview-4")
    sent = {**BODY, "model": "CogView-4", "style": "natural"}
    with a_worker(client):
        answers = [http.post(path, json=sent).get_json() for path in (SYNC, ASYNC)]
    assert [[text.partition(" ")[0] for text in answer["warnings"]] for answer in answers] == [["style"]] * 2


def test_another_model_is_not_served(http: FlaskClient) -> None:
    answer = http.post(SYNC, json={**BODY, "model": "cogview-4"})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "1211")


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("GET", "/paas/v4/async-result/job_" + "0" * 26, {}, 404, "1214"),
        ("GET", "/paas/v4/chat/completions", {}, 404, "1222"),
        ("GET", SYNC, {}, 405, "1212"),
        ("POST", SYNC, {"data": "{", "content_type": "application/json"}, 400, "1210"),
        ("POST", SYNC, {"data": "a=b", "content_type": "application/x-www-form-urlencoded"}, 415, "1210"),
        ("POST", SYNC, {"json": []}, 400, "1210"),
    ],
)
def test_every_error_has_zais_shape(
    http: FlaskClient, method: str, path: str, sent: Any, status: int, code: str
) -> None:
    answer = http.open(path, method=method, **sent)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)


def test_keys_and_limits_hold_here_too(http: FlaskClient, client: Client) -> None:
    keys, tenant = KeyStore(client), TenantId("acme")
    reader, renderer = (keys.create(tenant, [scope])[1] for scope in (Scope.READ, Scope.RENDER))
    keys.set_limits(tenant, TenantLimits(queued_renders=0))
    sent = [{}, {"Authorization": f"Bearer {reader}"}, {"Authorization": f"Bearer {renderer}"}]
    answers = [http.post(ASYNC, json=BODY, headers=headers) for headers in sent]
    assert [(a.status_code, error_of(a)["code"]) for a in answers] == [(401, "1000"), (403, "1220"), (429, "1302")]
