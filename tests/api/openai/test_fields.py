"""Every field of OpenAI's image requests is kept or refused by name, in its own error shape."""

import inspect
import io
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest
from flask.testing import FlaskClient
from openai.resources.images import Images
from werkzeug.test import TestResponse

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.ids import DEFAULT_TENANT, TenantId
from shared.intake.openai import EditRequest, GenerationRequest
from shared.jobs.spec import JobSpec, OutputFormat, Priority, Quality
from shared.jobs.text_check import TextCheck
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.conftest import with_settings
from tests.api.pictures import data_url, png
from tests.api.zai.test_zai import a_worker

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
BODY = {"prompt": "a red kite"}
_OF_THE_CLIENT = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}


@pytest.fixture
def impatient(house: Services) -> FlaskClient:
    """It never waits, so a request that was accepted is answered that it goes on."""
    house.stopping.set()
    return create_app(house).test_client()


def made(house: Services, answer: TestResponse) -> JobSpec:
    """Returns the spec of the one job that the request made."""
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "still_rendering"), answer.text
    (job,) = house.store.jobs(DEFAULT_TENANT, limit=9, after=None)
    assert answer.headers["x-gridpress-job-id"] == job.job_id
    return job.spec


def error_of(answer: TestResponse) -> dict[str, Any]:
    assert answer.content_type == "application/json"
    error: dict[str, Any] = answer.get_json()["error"]
    assert set(error) == {"message", "type", "param", "code", "retryable"}
    return error


TEXT_CHECKS = [({}, 3), ({"redraws": 0}, 0), ({"redraws": "2"}, 2)]


@pytest.mark.parametrize(("asked", "redraws"), TEXT_CHECKS)
def test_a_text_check_is_that_of_a_job(house: Services, asked: dict[str, Any], redraws: int) -> None:
    house.stopping.set()
    http = with_settings(house, text_reader="hook")
    spec = made(house, http.post(GENERATIONS, json={"prompt": 'a sign "OPEN"', "text_check": asked}))
    assert spec.text_check == TextCheck(redraws=redraws)


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"text_check[redraws]": "11"}, "text_check.redraws"),
        ({"text_check[redraws]": "x"}, "text_check.redraws"),
        ({"text_check": "yes"}, "text_check"),
    ],
)
def test_a_bad_text_check_in_a_form_is_refused(house: Services, sent: dict[str, str], param: str) -> None:
    http = with_settings(house, text_reader="hook")
    answer = http.post(EDITS, data={"prompt": 'a sign "OPEN"', "image": (io.BytesIO(png()), "a.png"), **sent})
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)


@pytest.mark.parametrize(
    ("method", "model", "elsewhere"),
    [(Images.generate, GenerationRequest, set()), (Images.edit, EditRequest, {"image"})],
)
def test_every_field_of_the_client_is_known(method: Any, model: Any, elsewhere: set[str]) -> None:
    fields = set(inspect.signature(method).parameters) - _OF_THE_CLIENT - elsewhere
    assert fields <= set(model.model_fields)


def test_fields_that_can_be_kept_are(house: Services, impatient: FlaskClient) -> None:
    sent = {
        **BODY,
        "model": "zai-org/GLM-Image",
        "n": 10,
        "size": "512x768",
        "quality": "standard",
        "background": "auto",
        "output_format": "jpeg",
        "output_compression": 40,
        "moderation": "low",
        "response_format": "url",
        "style": None,
        "user": "customer-7",
        "safety_identifier": "abc",
        "stream": False,
        "partial_images": 0,
        "seed": 7,
        "num_inference_steps": 9,
        "guidance_scale": 2,
        "temperature": 0.5,
        "top_p": 0.9,
        "priority": "batch",
        "start_timeout_s": 60.0,
        "metadata": {"colour": "red"},
    }
    spec = made(house, impatient.post(GENERATIONS, json=sent))
    settings = spec.settings
    assert (spec.n, spec.seed, spec.priority, spec.start_timeout_s) == (10, 7, Priority.BATCH, 60.0)
    assert spec.metadata == {"colour": "red", "user": "customer-7", "safety_identifier": "abc"}
    assert (settings.width_px, settings.height_px, settings.quality) == (512, 768, Quality.FAST)
    assert (settings.output_format, settings.output_quality) == (OutputFormat.JPEG, 40)
    told = (settings.num_inference_steps, settings.guidance_scale, settings.temperature, settings.top_p)
    assert told == (9, 2.0, 0.5, 0.9)


@pytest.mark.parametrize(
    ("name", "quality"),
    [
        *((name, Quality.FAST) for name in ("low", "medium", "standard", "fast")),
        *((name, Quality.EXACT) for name in ("high", "xhigh", "max", "hd", "auto", "exact", None)),
        ("balanced", Quality.BALANCED),
        ("few_steps", Quality.FEW_STEPS),
    ],
)
def test_every_quality_is_one_of_ours(
    house: Services, impatient: FlaskClient, name: str | None, quality: Quality
) -> None:
    assert made(house, impatient.post(GENERATIONS, json={**BODY, "quality": name})).settings.quality is quality


def test_fields_of_a_form_are_read_as_what_they_are(house: Services, impatient: FlaskClient) -> None:
    sent = {
        "prompt": "2",
        "n": "2",
        "size": "auto",
        "quality": "low",
        "stream": "false",
        "seed": "7",
        "guidance_scale": "2",
        "enhance_prompt": "False",
        "embed_metadata": "0",
        "visible_mark": "on",
        "output_format": "webp",
        "user": "",
        "metadata[colour]": "red",
        "image[]": [(io.BytesIO(png(512, 544)), "a.png"), (io.BytesIO(png()), "b.png")],
    }
    spec = made(house, impatient.post(EDITS, data=sent))
    settings = spec.settings
    assert (settings.prompt, spec.n, spec.seed, settings.guidance_scale) == ("2", 2, 7, 2.0)
    assert (settings.embed_metadata, settings.output_format) == (False, OutputFormat.WEBP)
    assert settings.mark == "AI generated"
    assert (settings.width_px, settings.height_px, len(settings.images)) == (512, 544, 2)
    assert spec.metadata == {"colour": "red"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": " "}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": "two"}, "n"),
        ({"n": True}, "n"),
        ({"size": "1000x1000"}, "size"),
        ({"size": "large"}, "size"),
        ({"quality": "ultra"}, "quality"),
        ({"background": "transparent"}, "background"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 50}, "output_compression"),
        ({"output_format": "webp", "output_compression": 101}, "output_compression"),
        ({"moderation": "high"}, "moderation"),
        ({"response_format": "url", "stream": True}, "stream"),
        ({"partial_images": 1}, "partial_images"),
        ({"partial_images": 4, "stream": True}, "partial_images"),
        ({"style": "watercolour"}, "style"),
        ({"style": ["vivid"]}, "style"),
        ({"complexity": "none"}, "complexity"),
        ({"frame_count": 3}, "frame_count"),
        ({"frame_duration_ms": 3}, "frame_duration_ms"),
        ({"svg": {"model": "x"}}, "svg"),
        ({"mask": "x"}, "mask"),
        ({"images": []}, "images"),
        ({"seed": -1}, "seed"),
        ({"num_inference_steps": 9999}, "num_inference_steps"),
        ({"top_p": 2}, "top_p"),
        ({"priority": "urgent"}, "priority"),
        ({"metadata": {"colour": 3}}, "metadata.colour"),
        ({"user": "x" * 600}, "user"),
        ({"text_check": {}}, "text_check"),  # the service has no reader
        ({"text_check": 3}, "text_check"),
        ({"text_check": {"redraws": 11}}, "text_check.redraws"),
        ({"text_check": {"redraw": 1}}, "text_check.redraw"),
        ({"reuse": True}, "reuse"),  # it needs a seed
        ({"frobnicate": 1}, "frobnicate"),
    ],
)
def test_what_can_not_be_kept_is_refused_by_name(http: FlaskClient, fields: dict[str, Any], param: str) -> None:
    answer = http.post(GENERATIONS, json={**BODY, **fields})
    error = error_of(answer)
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert http.get("/v1/jobs").get_json()["data"] == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "images"),
        ({"images": []}, "images"),
        ({"images": [{}]}, "images[0]"),
        ({"images": [{"image_url": data_url(png()), "file_id": "file-x"}]}, "images[0]"),
        ({"images": [{"file_id": "file-" + "0" * 26}]}, "images[0]"),
        ({"images": [{"image_url": "data:image/png;base64,!"}]}, "images[0]"),
        ({"images": [{"image_url": data_url(png())}], "input_fidelity": "medium"}, "input_fidelity"),
        ({"images": [{"image_url": data_url(png())}], "mask": {"file_id": "file-x"}}, "mask"),
        ({"images": [{"image_url": data_url(png())}], "markup": "x"}, "markup"),
    ],
)
def test_an_edit_that_can_not_be_made_is_refused_by_name(http: FlaskClient, fields: dict[str, Any], param: str) -> None:
    answer = http.post(EDITS, json={**BODY, **fields})
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"mask": (io.BytesIO(b"x"), "mask.png")}, "mask"),
        ({"other": (io.BytesIO(b"x"), "x.png")}, "other"),
        ({"n": "two"}, "n"),
        ({"n": ["1", "2"]}, "n"),
        ({"frobnicate": "1"}, "frobnicate"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": "[1]", "metadata[colour]": "red"}, "metadata"),
        ({"n[x]": "1"}, "n"),
        ({"image": (io.BytesIO(b"no picture"), "a.png")}, "images[0]"),
    ],
)
def test_a_form_that_can_not_be_kept_is_refused_by_name(http: FlaskClient, fields: dict[str, Any], param: str) -> None:
    form = {**BODY, "image": (io.BytesIO(png()), "a.png"), **fields}
    answer = http.post(EDITS, data=form, content_type="multipart/form-data")
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)


def test_a_form_without_an_image_is_refused(http: FlaskClient) -> None:
    answer = http.post(EDITS, data=BODY, content_type="multipart/form-data")
    assert (answer.status_code, error_of(answer)["param"]) == (400, "image")


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "kind"),
    [
        ("POST", GENERATIONS, {"data": "{", "content_type": "application/json"}, 400, "invalid_request_error"),
        ("POST", GENERATIONS, {"json": []}, 400, "invalid_request_error"),
        ("POST", GENERATIONS, {"json": {**BODY, "model": "dall-e-3"}}, 404, "invalid_request_error"),
        ("POST", GENERATIONS, {"data": {"prompt": "a"}}, 415, "invalid_request_error"),
        ("POST", EDITS, {"data": "a", "content_type": "text/plain"}, 415, "invalid_request_error"),
        ("POST", GENERATIONS, {"json": {"prompt": "a" * 4_000_000}}, 413, "invalid_request_error"),
        ("GET", GENERATIONS, {}, 405, "invalid_request_error"),
        ("POST", "/v1/images/variations", {}, 404, "invalid_request_error"),
        ("GET", "/v1/models/dall-e-3", {}, 404, "invalid_request_error"),
    ],
)
def test_every_error_has_openais_shape(
    http: FlaskClient, method: str, path: str, sent: Any, status: int, kind: str
) -> None:
    answer = http.open(path, method=method, **sent)
    assert (answer.status_code, error_of(answer)["type"]) == (status, kind)
    assert answer.headers["x-request-id"].startswith("req_")


def test_another_model_is_named_as_openai_does(http: FlaskClient) -> None:
    error = error_of(http.post(GENERATIONS, json={**BODY, "model": "dall-e-3"}))
    assert (error["param"], error["code"]) == ("model", "model_not_found")


def test_a_client_with_a_fixed_name_gets_links_and_warnings(house: Services, client: Client) -> None:
    """What LibreChat, n8n and langchain's wrapper send and read."""
    http = with_settings(house, model_aliases="dall-e-3,gpt-image-1")
    with a_worker(client):
        hints = {"n": 1, "quality": "standard", "style": "vivid"}
        answer = http.post(GENERATIONS, json={**BODY, "model": "dall-e-3", **hints}).get_json()
    assert answer["data"][0]["url"].startswith("http")
    assert [text.partition(" ")[0] for text in answer["warnings"]] == ["style"]


def test_every_name_of_the_model_is_listed_and_found(house: Services, client: Client) -> None:
    http = with_settings(house, model_aliases="dall-e-3,gpt-image-1")
    served = "zai-org/GLM-Image"
    listed = http.get("/v1/models").get_json()["data"]
    assert [model["id"] for model in listed] == [served, "dall-e-3", "gpt-image-1"]
    assert {(model["root"], model["revision"]) for model in listed} == {(served, None)}
    client.set("gridpress:revision", "demo-4f3a")
    for name, found in (("DALL-E-3", "dall-e-3"), ("glm-image", served), (served.lower(), served)):
        model = http.get(f"/v1/models/{name}").get_json()
        assert (model["id"], model["owned_by"], model["revision"]) == (found, "zai-org", "demo-4f3a")
    refused = http.get("/v1/models/dall-e-2")
    assert (refused.status_code, error_of(refused)["code"]) == (404, "model_not_found")
    assert "GRIDPRESS_MODEL_ALIASES" in error_of(refused)["message"]


def test_keys_scopes_and_limits_hold_here_too(http: FlaskClient, client: Client) -> None:
    keys, tenant = KeyStore(client), TenantId("acme")
    reader, renderer = (keys.create(tenant, [scope])[1] for scope in (Scope.READ, Scope.RENDER))
    keys.set_limits(tenant, TenantLimits(queued_renders=0))
    sent = [{}, {"Authorization": f"Bearer {reader}"}, {"Authorization": f"Bearer {renderer}"}]
    answers = [http.post(GENERATIONS, json=BODY, headers=headers) for headers in sent]
    kinds = ["authentication_error", "permission_error", "rate_limit_error"]
    assert [error_of(answer)["type"] for answer in answers] == kinds
    assert [answer.status_code for answer in answers] == [401, 403, 429]


def test_a_surprise_says_nothing_of_itself(house: Services) -> None:
    broken = replace(house, store=None)  # type: ignore[arg-type]
    answer = create_app(broken).test_client().post(GENERATIONS, json=BODY)
    assert (answer.status_code, error_of(answer)["code"]) == (500, "internal_error")


@pytest.mark.parametrize("path", ["/v1/jobs", "/healthz", "/v1/models", "/nowhere", "/v1/images/generations"])
def test_every_answer_has_an_id_of_its_own(http: FlaskClient, path: str) -> None:
    ids = {http.get(path).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2


def test_every_kind_of_refusal_is_an_exception_of_the_client(house: Services, client: Client) -> None:
    def ask(app: Any, key: str, route: str | None = None, **fields: Any) -> None:
        http = httpx2.Client(transport=httpx2.WSGITransport(app=app))
        with openai.OpenAI(api_key=key, base_url="http://localhost/v1", max_retries=0, http_client=http) as asking:
            asking.get(route, cast_to=object) if route else asking.images.generate(**{**BODY, **fields})

    app = create_app(house)
    with pytest.raises(openai.BadRequestError) as refusal:
        ask(app, "any", size="9x9")
    assert refusal.value.param == "size"
    assert (refusal.value.request_id or "").startswith("req_")
    with pytest.raises(openai.NotFoundError, match="does not serve the model dall-e-3"):
        ask(app, "any", model="dall-e-3")
    for route in ("/chat/completions", "/jobs/job_x", "/v1/images/generations"):
        with pytest.raises(openai.NotFoundError, match=r"there is no|job_x"):
            ask(app, "any", route)
    KeyStore(client).set_limits(DEFAULT_TENANT, TenantLimits(queued_renders=0))
    with pytest.raises(openai.RateLimitError):
        ask(app, "any")
    KeyStore(client).create(TenantId("acme"), [Scope.ADMIN])
    with pytest.raises(openai.AuthenticationError):
        ask(app, "wrong")
