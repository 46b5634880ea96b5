import json
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.ids import DEFAULT_TENANT
from tests.api.conftest import with_settings
from tests.api.pictures import data_url, png

SECRET = "whsec_bXkgb3duIHNlY3JldCBvZiAyNCBieXRlcyE="
LONE_SURROGATE = "\ud83d"


def refused(http: FlaskClient, body: str | bytes | dict[str, Any], status: int = 400, **headers: str) -> dict[str, Any]:
    """The problem that this body earns. Nothing of it may be left in the store."""
    data = json.dumps(body) if isinstance(body, dict) else body
    answer = http.post("/v1/jobs", data=data, content_type="application/json", headers=headers)
    problem = answer.get_json()
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), problem
    assert problem["status"] == status
    assert problem["instance"] == "/v1/jobs"
    assert problem["type"] == f"urn:gridpress:problem:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    assert http.get("/v1/jobs").get_json()["data"] == []
    return problem


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n\u2003"}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"prompt": "x" * 8_001}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"prompt": f"a{LONE_SURROGATE}b"}, "prompt"),
        ({"size": "1000x1024"}, "size"),
        ({"size": "1024x224"}, "size"),
        ({"size": "2080x1024"}, "size"),
        ({"size": "2048x480"}, "size"),
        ({"size": "1024"}, "size"),
        ({"size": "1024 1024"}, "size"),
        ({"size": "1024xx1024"}, "size"),
        ({"size": "-512x512"}, "size"),
        ({"size": "1e3x1024"}, "size"),
        ({"size": "٥١٢x512"}, "size"),
        ({"size": "512x512\nx"}, "size"),
        ({"size": "9" * 400 + "x512"}, "size"),
        ({"size": [512, 512]}, "size"),
        ({"size": "512x512", "width": 512}, "size"),
        ({"width": 512}, "height"),
        ({"height": 512}, "width"),
        ({"width": 500, "height": 512}, "width"),
        ({"width": 512, "height": 513}, "height"),
        ({"width": 512, "height": 0}, "height"),
        ({"width": 2048, "height": 480}, "size"),
        ({"width": 512.0, "height": 512}, "width"),
        ({"width": "512px", "height": 512}, "width"),
        ({"width": True, "height": 512}, "width"),
        ({"width": 10**30, "height": 512}, "width"),
        ({"n": 0}, "n"),
        ({"n": 17}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": None}, "n"),
        ({"n": 10**400}, "n"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**53}, "seed"),
        ({"seed": "7.0"}, "seed"),
        ({"seed": ""}, "seed"),
        ({"num_inference_steps": 0}, "num_inference_steps"),
        ({"num_inference_steps": 201}, "num_inference_steps"),
        ({"guidance_scale": -0.1}, "guidance_scale"),
        ({"guidance_scale": 20.1}, "guidance_scale"),
        ({"guidance_scale": float("nan")}, "guidance_scale"),
        ({"guidance_scale": float("inf")}, "guidance_scale"),
        ({"guidance_scale": True}, "guidance_scale"),
        ({"guidance_scale": 10**400}, "guidance_scale"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": 2.01}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.01}, "top_p"),
        ({"top_p": float("-inf")}, "top_p"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_quality": 0}, "output_quality"),
        ({"output_quality": 101}, "output_quality"),
        ({"embed_metadata": 1}, "embed_metadata"),
        ({"visible_mark": 1}, "visible_mark"),
        ({"visible_mark": "AI generated"}, "visible_mark"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {"a": None}}, "metadata.a"),
        ({"metadata": {"": "a"}}, "metadata."),
        ({"metadata": {"k" * 65: "a"}}, f"metadata.{'k' * 65}"),
        ({"metadata": {"a": "v" * 513}}, "metadata.a"),
        ({"metadata": {str(i): "" for i in range(17)}}, "metadata"),
        ({"metadata": {"a": "\0"}}, "metadata.a"),
        ({"metadata": {"a": LONE_SURROGATE}}, "metadata.a"),
        ({"metadata": {"a\0": "b"}}, "metadata.a\0"),
        ({"metadata": {LONE_SURROGATE: "b"}}, "metadata.\ufffd\ufffd\ufffd"),
        ({"webhook_url": "http://hooks.example.com/"}, "webhook_url"),
        ({"webhook_url": "https://10.0.0.1/"}, "webhook_url"),
        ({"webhook_url": "https://169.254.169.254/"}, "webhook_url"),
        ({"webhook_url": "https://u:p@hooks.example.com/"}, "webhook_url"),
        ({"webhook_url": "https://hooks.example.com/\0"}, "webhook_url"),
        ({"webhook_url": ""}, "webhook_url"),
        ({"webhook_events": ["job.succeeded"]}, "webhook_events"),
        ({"webhook_url": "https://a.example/", "webhook_events": []}, "webhook_events"),
        ({"webhook_url": "https://a.example/", "webhook_events": ["job.queued"]}, "webhook_events[0]"),
        ({"webhook_url": "https://a.example/", "webhook_events": ["webhook_endpoint.disabled"]}, "webhook_events[0]"),
        ({"webhook_url": "https://a.example/", "webhook_payload": "small"}, "webhook_payload"),
        ({"webhook_payload": "thin"}, "webhook_payload"),
        ({"webhook_secret": SECRET}, "webhook_secret"),
        ({"webhook_url": "https://a.example/", "webhook_secret": SECRET[6:]}, "webhook_secret"),
        ({"webhook_url": "https://a.example/", "webhook_secret": "whsec_dG9vIHNob3J0"}, "webhook_secret"),
        ({"webhook_url": "https://a.example/", "webhook_secret": SECRET + "!"}, "webhook_secret"),
        ({"images": ["http://example.com/a.png"]}, "images[0]"),
        ({"images": ["HTTPS://10.0.0.1/a.png"]}, "images[0]"),
        ({"images": ["https://169.254.169.254/latest/meta-data"]}, "images[0]"),
        ({"images": ["ftp://example.com/a.png"]}, "images[0]"),
        ({"images": [""]}, "images[0]"),
        ({"images": ["data:image/png;base64,"]}, "images[0]"),
        ({"images": ["data:image/png;base64,***"]}, "images[0]"),
        ({"images": ["data:image/png,abc"]}, "images[0]"),
        ({"images": [data_url(png()), data_url(b"not a picture")]}, "images[1]"),
        ({"images": [data_url(png()), data_url(png(1024, 1024)[:-90])]}, "images[1]"),
        ({"images": [data_url(png(2001, 2000))]}, "images[0]"),
        ({"images": [data_url(png()) for _ in range(9)]}, "images"),
        ({"images": data_url(png())}, "images"),
        ({"images": [5]}, "images[0]"),
        ({"negative_prompt": "blurry"}, "negative_prompt"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_its_field(http: FlaskClient, fields: dict[str, Any], field: str) -> None:
    problem = refused(http, {"prompt": "a red kite", **fields})
    assert problem["field"] == field
    assert problem["code"] in ("invalid_request", "invalid_image")
    assert field.rstrip(".") in problem["detail"]
    assert problem["retryable"] is False


def test_a_field_whose_name_cannot_be_written_is_refused(http: FlaskClient) -> None:
    assert "not valid Unicode" in refused(http, {"prompt": "a", LONE_SURROGATE: 1})["detail"]


def test_a_missing_prompt_is_named(http: FlaskClient) -> None:
    assert refused(http, {"n": 1})["field"] == "prompt"


def test_everything_that_is_wrong_is_named(http: FlaskClient) -> None:
    problem = refused(http, {"n": 0, "top_p": 2, "colour": "red"})
    assert {error["field"] for error in problem["errors"]} == {"prompt", "n", "top_p", "colour"}
    assert problem["field"] == problem["errors"][0]["field"]


def test_a_refused_secret_is_not_echoed(http: FlaskClient) -> None:
    secret = "whsec_this-is-almost-a-secret"
    assert secret[6:] not in json.dumps(refused(http, {"prompt": "a", "webhook_secret": secret}))


@pytest.mark.parametrize("name", ["x" * 10_000, "y"])
def test_an_answer_stays_small_whatever_the_body_holds(http: FlaskClient, name: str) -> None:
    problem = refused(http, {"prompt": "a"} | {f"{name}{index}": 1 for index in range(20 if len(name) > 1 else 900)})
    assert len(json.dumps(problem)) < 30_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"prompt"',
        b"{'prompt': 'a'}",
        b'{"prompt": "a"} {}',
        b'{"prompt": "\xff"}',
        b'{"prompt": ' + b"[" * 100_000,
        b'{"n": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_not_a_json_object_is_refused(http: FlaskClient, body: bytes) -> None:
    assert "JSON" in refused(http, body)["detail"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", None])
def test_other_content_types_are_refused(http: FlaskClient, content_type: str | None) -> None:
    answer = http.post("/v1/jobs", data=b'{"prompt": "a"}', content_type=content_type)
    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused(http: FlaskClient) -> None:
    problem = refused(http, {"prompt": "x" * 3_000_000}, status=413)
    assert problem["code"] == "payload_too_large"
    assert "3000000" in problem["detail"]


def test_a_body_at_the_limit_is_read(http: FlaskClient) -> None:
    body = json.dumps({"prompt": ""}).encode()
    answers = [http.post("/v1/jobs", data=body.ljust(2**20 + more), content_type="application/json") for more in (0, 1)]
    assert [answer.get_json()["field"] for answer in answers] == ["prompt", None]
    assert (answers[1].status_code, answers[1].get_json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({}, "prompt"),
        ({"request": "{"}, "request"),
        ({"request": "[]"}, None),
        ({"request": '{"prompt": "a"}', "mask": (BytesIO(png()), "m.png")}, "mask"),
        ({"request": '{"prompt": "a"}', "images": (BytesIO(b"GIF89a"), "a.gif")}, "images[0]"),
        ({"request": json.dumps({"prompt": "a", "images": ["data:,"]}), "image": (BytesIO(png()), "a.png")}, "images"),
        ({"request": '{"prompt": "a"}', "seed": "5"}, "seed"),
        ({"request": ['{"prompt": "a"}', '{"prompt": "b"}']}, "request"),
        ({"request": [(BytesIO(b'{"prompt": "a"}'), "r"), (BytesIO(b'{"prompt": "b"}'), "r")]}, "request"),
        ({"prompt": "a", "n": "two"}, "n"),
        ({"prompt": "a", "n": "1.5"}, "n"),
        ({"prompt": "a", "n": ["1", "2"]}, "n"),
        ({"prompt": "a", "guidance_scale": "NaN"}, "guidance_scale"),
        ({"prompt": "a", "metadata": "[" * 100_000}, "metadata"),
        ({"prompt": "a", "embed_metadata": "maybe"}, "embed_metadata"),
        ({"prompt": "a\0"}, "prompt"),
        ({"prompt": "a", "images": "a.png"}, "images"),
    ],
)
def test_bad_multipart_is_refused(http: FlaskClient, parts: dict[str, Any], field: str | None) -> None:
    answer = http.post("/v1/jobs", data=parts, content_type="multipart/form-data")
    assert (answer.status_code, answer.get_json()["field"]) == (400, field)


def test_too_many_form_fields_are_refused_as_what_they_are(http: FlaskClient) -> None:
    fields = {f"field{number}": "1" for number in range(1_001)}
    answer = http.post("/v1/jobs", data=fields, content_type="multipart/form-data")
    assert answer.status_code == 413
    assert "1000 parts" in answer.get_json()["detail"]


def test_a_form_field_that_is_not_utf8_is_refused(http: FlaskClient) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nk\xffte\r\n--b--\r\n'
    answer = http.post("/v1/jobs", data=body, content_type="multipart/form-data; boundary=b")
    assert (answer.status_code, answer.get_json()["field"]) == (400, "prompt")


def test_limits_are_settings(house: Services) -> None:
    http = with_settings(house, max_n=2, max_inference_steps=10, max_prompt_chars=5, max_images=1, max_image_pixels=9)
    for fields, field in (
        ({"n": 3}, "n"),
        ({"num_inference_steps": 11}, "num_inference_steps"),
        ({"prompt": "abcdef"}, "prompt"),
        ({"images": [data_url(png())] * 2}, "images"),
        ({"images": [data_url(png(5, 2))]}, "images[0]"),
    ):
        assert refused(http, {"prompt": "abcde", "num_inference_steps": 10, **fields})["field"] == field
    assert http.post("/v1/jobs", json={"prompt": "abcde", "n": 2, "num_inference_steps": 10}).status_code == 202


def test_a_refused_request_stores_no_picture(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(house.objects), "put", lambda *_: pytest.fail("a picture was stored"))
    refused(http, {"prompt": "a", "images": [data_url(png()), data_url(b"broken")]})


def test_control_tokens_are_no_reason_to_refuse(http: FlaskClient, house: Services) -> None:
    prompt = "<|image|> <sop>9 9<eop> <|dit_token_16384|>"
    assert http.post("/v1/jobs", json={"prompt": prompt}).get_json()["prompt"] == prompt
    [job] = house.store.jobs(DEFAULT_TENANT, limit=2, after=None)
    assert job.spec.settings.prompt == prompt
