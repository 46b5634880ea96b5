"""One key, one act: whatever is sent twice, at once, or after a crash."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.errors import StoreUnavailable
from shared.ids import DEFAULT_TENANT, TenantId
from shared.jobs.job import Job
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.idempotency.requests import IdempotencyStore, Reservation, Reused
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from tests.api.conftest import hinted
from tests.api.pictures import data_url, png

KEY = {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6894a57f9324"'}
BODY = {"prompt": "a red kite", "seed": 7}


class Death(BaseException):
    """The process ends here: nothing of it runs any more."""


def post(http: FlaskClient, body: Any = BODY, **headers: str) -> TestResponse:
    return http.post("/v1/jobs", json=body, headers=KEY | headers)


def jobs_of(house: Services, tenant: TenantId = DEFAULT_TENANT) -> list[Job]:
    return house.store.jobs(tenant, limit=100, after=None)


def test_the_same_request_again_gets_the_same_answer(http: FlaskClient, house: Services, client: Client) -> None:
    first, second = post(http), post(http)
    assert (first.status_code, first.get_data(), first.headers["Location"]) == (
        second.status_code,
        second.get_data(),
        second.headers["Location"],
    )
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.content_type == first.content_type
    assert len(jobs_of(house)) == len(hinted(client)) == 1


def test_without_a_key_every_request_is_its_own(http: FlaskClient, house: Services) -> None:
    assert [http.post("/v1/jobs", json=BODY).status_code for _ in range(2)] == [202, 202]
    assert len(jobs_of(house)) == 2


def test_a_key_counts_with_and_without_quotes(http: FlaskClient, house: Services) -> None:
    post(http)
    assert post(http, **{"Idempotency-Key": KEY["Idempotency-Key"].strip('"')}).headers["Idempotent-Replayed"]
    assert len(jobs_of(house)) == 1


@pytest.mark.parametrize("key", ["", '""', '"a', 'a"', "a b", '"é"', "a,b", "k" * 256, f'"{"k" * 256}"', '"a\\b"'])
def test_what_is_no_key_is_refused(http: FlaskClient, house: Services, key: str) -> None:
    answer = post(http, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "Idempotency-Key")
    assert not jobs_of(house)


@pytest.mark.parametrize(
    "key", ["k", '"k"', '"with \\"quotes\\" and \\\\ "', "k" * 255, "!#$%&'()*+-./:<=>?@[]^_`{|}~"]
)
def test_any_string_of_ascii_is_a_key(http: FlaskClient, key: str) -> None:
    assert post(http, **{"Idempotency-Key": key}).status_code == 202


def test_a_key_with_another_body_is_refused_for_good(http: FlaskClient, house: Services) -> None:
    post(http)
    answer = post(http, BODY | {"seed": 8})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_key_reused")
    assert answer.get_json()["retryable"] is False
    assert answer.headers["x-should-retry"] == "false"
    assert len(jobs_of(house)) == 1


def test_a_key_on_another_resource_of_the_same_route_is_refused(http: FlaskClient) -> None:
    ids = [http.post("/v1/jobs", json=BODY).get_json()["id"] for _ in range(2)]
    statuses = [http.post(f"/v1/jobs/{job}/cancel", headers=KEY).status_code for job in (*ids, ids[0])]
    assert statuses == [200, 422, 200]


def test_a_key_of_another_route_is_another_key(http: FlaskClient) -> None:
    job = post(http).get_json()["id"]
    answer = http.post(f"/v1/jobs/{job}/cancel", headers=KEY)
    assert answer.get_json()["status"] == "cancelled"
    assert "Idempotent-Replayed" not in answer.headers


def test_spaces_and_order_of_fields_change_nothing(http: FlaskClient, house: Services) -> None:
    for text in ('{"prompt": "a red kite", "seed": 7}', '{"seed":7,"prompt":"a red \\u006bite"}'):
        assert http.post("/v1/jobs", data=text, content_type="application/json", headers=KEY).status_code == 202
    assert len(jobs_of(house)) == 1


def multipart(*pictures: bytes) -> dict[str, Any]:
    """A boundary is drawn for every request."""
    files = [("image", ("a.png", picture)) for picture in pictures]
    sent = httpx.Request("POST", "http://x/", data={"prompt": "a"}, files=files)
    return {"data": sent.read(), "content_type": sent.headers["content-type"], "headers": KEY}


def test_a_form_counts_by_its_fields_and_files(http: FlaskClient, house: Services) -> None:
    same, other = multipart(png()), multipart(png(640, 512))
    statuses = [http.post("/v1/jobs", **sent).status_code for sent in (same, multipart(png()), other)]
    assert statuses == [202, 202, 422]
    assert [job.spec.settings.is_edit for job in jobs_of(house)] == [True]


def test_every_file_of_a_form_with_a_key_reaches_the_job(http: FlaskClient, house: Services) -> None:
    assert http.post("/v1/jobs", **multipart(png(), png(640, 512))).status_code == 202
    assert [len(job.spec.settings.images) for job in jobs_of(house)] == [2]


def test_two_tenants_may_use_the_same_key(http: FlaskClient, house: Services, client: Client) -> None:
    keys = KeyStore(client)
    texts = [keys.create(TenantId(name), [Scope.RENDER])[1] for name in ("acme", "globex")]
    answers = [post(http, BODY | {"seed": seed}, Authorization=f"Bearer {text}") for seed, text in enumerate(texts)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [len(jobs_of(house, TenantId(name))) for name in ("acme", "globex")] == [1, 1]


def test_twenty_at_once_make_one_job(house: Services) -> None:
    app = create_app(house)

    def send(_: int) -> TestResponse:
        answer = post(app.test_client())
        while answer.status_code == 409:
            assert (answer.get_json()["code"], answer.headers["Retry-After"]) == ("request_in_progress", "1")
            answer = post(app.test_client())
        return answer

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(send, range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.get_json()["id"] for answer in answers}) == len(jobs_of(house)) == 1


def test_a_second_request_is_told_to_wait_while_the_first_is_answered(
    house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, seen = create_app(house), []

    def meanwhile() -> None:
        if not seen:
            seen.append(None)
            seen.append(post(app.test_client()))

    monkeypatch.setattr(type(house.capacity), "check", lambda _: meanwhile())
    assert post(app.test_client()).status_code == 202
    answer = seen[1]
    assert answer is not None
    assert (answer.status_code, answer.get_json()["retryable"]) == (409, True)


def test_a_crash_after_the_job_was_made_makes_no_second_one(house: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between accepting the job and keeping the answer. The retry need not wait for the lease of the key."""
    http = create_app(house).test_client()
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "submit", dying_after(JobStore.submit))
        with pytest.raises(Death):
            post(http)
    made = jobs_of(house)
    answer = post(http)
    assert (answer.status_code, answer.get_json()["id"]) == (202, made[0].job_id)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert len(jobs_of(house)) == 1


def dying_after(method: Callable[..., Any]) -> Callable[..., Any]:
    def die(*args: Any, **named: Any) -> Any:
        method(*args, **named)
        raise Death

    die.__name__ = method.__name__
    return die


def test_a_dead_process_holds_a_key_no_longer_than_its_lease(
    house: Services, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(house.capacity), "check", dying_after(lambda _: None))
        with pytest.raises(Death):
            post(create_app(house).test_client())
        assert post(create_app(house).test_client()).status_code == 409
    (held,) = client.keys("gridpress:idempotency:*")
    client.hset(held, "until_ms", 1)
    assert post(create_app(house).test_client()).status_code == 202


def test_a_retry_that_finds_the_job_uses_no_more_of_the_limits(
    house: Services, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, tenant = KeyStore(client), TenantId("acme")
    text = keys.create(tenant, [Scope.RENDER])[1]
    keys.set_limits(tenant, TenantLimits(queued_renders=1, pixels_per_day=1024 * 1024))
    http = create_app(house).test_client()
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "submit", dying_after(JobStore.submit))
        with pytest.raises(Death):
            post(http, Authorization=f"Bearer {text}")
    assert post(http, Authorization=f"Bearer {text}").status_code == 202


@pytest.mark.parametrize("body", [{"prompt": ""}, {"prompt": "a", "n": 99}, [1], "{"])
def test_a_refused_body_frees_its_key_for_a_corrected_one(http: FlaskClient, body: Any) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = http.post("/v1/jobs", data=text, content_type="application/json", headers=KEY)
    assert answer.status_code == 400
    assert post(http).status_code == 202


def test_an_answer_of_429_is_not_kept(house: Services, client: Client) -> None:
    keys, tenant = KeyStore(client), TenantId("acme")
    text = keys.create(tenant, [Scope.RENDER])[1]
    keys.set_limits(tenant, TenantLimits(queued_renders=0))
    http = create_app(house).test_client()
    assert post(http, Authorization=f"Bearer {text}").status_code == 429
    keys.set_limits(tenant, TenantLimits())
    assert post(http, Authorization=f"Bearer {text}").status_code == 202


def test_an_outage_is_not_kept_and_its_retry_makes_the_job_that_was_meant(
    house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write may stand though its answer was lost."""

    def lose(store: JobStore, *args: Any, **named: Any) -> Job:
        submit(store, *args, **named)
        raise StoreUnavailable("the answer was lost")

    submit, http = JobStore.submit, create_app(house).test_client()
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "submit", lose)
        assert post(http).status_code == 503
    made = jobs_of(house)
    assert post(http).get_json()["id"] == made[0].job_id
    assert len(jobs_of(house)) == 1


def test_an_answer_that_can_not_be_kept_is_an_answer_all_the_same(
    house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailable("gone")

    http = create_app(house).test_client()
    with monkeypatch.context() as patch:
        patch.setattr(IdempotencyStore, "keep", fail)
        first = post(http)
    assert first.status_code == 202


def test_answers_are_forgotten_after_their_time(house: Services, client: Client) -> None:
    first = post(create_app(house).test_client())
    brief = replace(house, idempotency=IdempotencyStore(client, kept_for_s=0))
    other = post(create_app(brief).test_client(), Prefer="respond-async")
    assert other.get_json()["id"] == first.get_json()["id"]  # it has the time that it was given at first
    client.flushdb()
    post(create_app(brief).test_client())
    assert not UpkeepStore(client).purge_idempotency()
    assert client.keys("gridpress:idempotency*") == []


def test_pictures_are_not_kept_with_the_key(house: Services, client: Client) -> None:
    sent = {"data": {"prompt": "a", "image": (BytesIO(png(1024, 1024)), "a.png")}, "headers": KEY}
    assert create_app(house).test_client().post("/v1/jobs", **sent).status_code == 202
    (key,) = client.keys("gridpress:idempotency:*")
    assert client.memory_usage(key) < 10_000
    assert data_url(png())[-40:] not in str(client.hgetall(key))


def test_every_post_route_looks_at_the_key(http: FlaskClient) -> None:
    rules = [rule for rule in http.application.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert len(rules) > 3
    for rule in rules:
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<{argument}>", "x")
        answer = http.post(path, headers={"Idempotency-Key": '"'}, data=b"{}", content_type="application/json")
        assert (answer.status_code, "Idempotency-Key" in answer.text) == (400, True), path


def test_a_key_on_what_is_no_post_changes_nothing(http: FlaskClient) -> None:
    assert http.get("/v1/jobs", headers={"Idempotency-Key": '"'}).status_code == 200


@pytest.mark.attack
def test_a_key_that_two_answer_at_once_stays_one_jobs_though_one_of_them_is_refused(
    house: Services, client: Client
) -> None:
    """The first takes longer than its lease; whoever came meanwhile is refused, and a third comes once it is done."""
    store = IdempotencyStore(client, kept_for_s=60, lease_s=0)
    asked = (DEFAULT_TENANT, "/v1/jobs", "key", "fingerprint")
    first, second = store.begin(*asked, "job_a"), store.begin(*asked, "job_b")
    assert isinstance(first, Reservation)
    assert isinstance(second, Reservation)
    store.forget(second)
    assert isinstance(store.begin(DEFAULT_TENANT, "/v1/jobs", "key", "another body", "job_d"), Reused)
    store.job_created(first)
    third = store.begin(*asked, "job_c")
    assert isinstance(third, Reservation)
    assert third.reserved_id == first.reserved_id
