import json
import re
from datetime import datetime
from io import BytesIO
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from PIL import Image

from api.services import Services
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, JobId
from shared.jobs.spec import JobSpec
from shared.store.core.connect import Client
from tests.api.conftest import hinted, with_settings
from tests.api.pictures import data_url, png

PROMPT = "a red kite “über den Wolken” 风筝"


def accepted(http: FlaskClient, **fields: Any) -> dict[str, Any]:
    answer = http.post("/v1/jobs", json={"prompt": PROMPT, **fields})
    assert answer.status_code == 202, answer.text
    return answer.get_json()


def spec_of(house: Services, job: dict[str, Any]) -> JobSpec:
    return house.store.job(JobId(job["id"]), DEFAULT_TENANT).spec


def test_a_prompt_alone_becomes_a_job_with_the_documented_defaults(http: FlaskClient, client: Client) -> None:
    answer = http.post("/v1/jobs", json={"prompt": PROMPT})
    job = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == job["links"]["self"] == f"http://127.0.0.1:8000/v1/jobs/{job['id']}"
    assert (job["status"], job["stage"], job["progress"], job["error"]) == ("queued", None, 0, None)
    assert (job["prompt"], job["width"], job["height"], job["n"]) == (PROMPT, 1024, 1024, 1)
    assert (job["num_inference_steps"], job["guidance_scale"]) == (50, 1.5)
    assert (job["temperature"], job["top_p"]) == (None, None)
    assert (job["output_format"], job["output_quality"], job["embed_metadata"]) == ("png", 90, True)
    assert 0 <= job["seed"] < 2**31
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", job["created_at"])
    assert datetime.fromisoformat(job["created_at"]).tzinfo
    assert hinted(client) == [Queue.AR]
    assert (job["queue"]["position"], job["eta_s"]) == (0, None)
    assert http.get(answer.headers["Location"]).get_json() == job


def test_drawn_seeds_differ(http: FlaskClient) -> None:
    assert len({accepted(http)["seed"] for _ in range(5)}) == 5


def test_every_field_arrives(http: FlaskClient, house: Services) -> None:
    secret = "whsec_bXkgb3duIHNlY3JldCBvZiAyNCBieXRlcyE="
    job = accepted(
        http,
        size="1152x1024",
        n=3,
        seed=2**53 - 2,
        num_inference_steps=200,
        guidance_scale=0,
        temperature=2,
        top_p=0.75,
        output_format="webp",
        output_quality=1,
        embed_metadata=False,
        metadata={"k" * 64: "v" * 512, "empty": ""},
        webhook_url="http://127.0.0.1:9/hook",
        webhook_events=["job.failed", "job.succeeded", "job.failed"],
        webhook_secret=secret,
    )
    assert (job["width"], job["height"], job["n"]) == (1152, 1024, 3)
    assert [image["seed"] for image in job["images"]] == [2**53 - 2, 2**53 - 1, 0]
    assert (job["guidance_scale"], job["temperature"], job["top_p"]) == (0, 2, 0.75)
    assert (job["output_format"], job["output_quality"], job["embed_metadata"]) == ("webp", 1, False)
    assert job["metadata"] == {"k" * 64: "v" * 512, "empty": ""}
    assert job["webhook_events"] == ["job.failed", "job.succeeded"]
    assert spec_of(house, job).webhook_secret == secret
    assert secret not in http.get("/v1/jobs").text


def test_a_visible_mark_has_the_operators_text_of_the_moment(house: Services) -> None:
    """A picture depends on its request alone, so the text is a part of the job."""
    jobs = [accepted(with_settings(house, mark_text=text), visible_mark=True) for text in ("AI generated", "AI生成")]
    assert [spec_of(house, job).settings.mark for job in jobs] == ["AI generated", "AI生成"]
    assert [job["visible_mark"] for job in jobs] == [True, True]
    plain = accepted(with_settings(house))
    assert (spec_of(house, plain).settings.mark, plain["visible_mark"]) == (None, False)


def test_a_webhook_without_events_gets_every_end(http: FlaskClient) -> None:
    job = accepted(http, webhook_url="https://hooks.example.com/")
    assert set(job["webhook_events"]) == {"job.succeeded", "job.failed", "job.cancelled", "job.expired", "job.rejected"}
    assert job["webhook_payload"] == "full"


def test_a_webhook_can_ask_for_every_step_and_for_ids_alone(http: FlaskClient, house: Services) -> None:
    asked = {"webhook_events": ["job.started", "job.progress"], "webhook_payload": "thin"}
    job = accepted(http, webhook_url="https://hooks.example.com/", **asked)
    assert {name: job[name] for name in asked} == asked
    assert spec_of(house, job).webhook_payload == "thin"
    assert accepted(http)["webhook_payload"] is None


@pytest.mark.parametrize("fields", [{"size": "512x768"}, {"width": 512, "height": 768}])
def test_size_and_sides_say_the_same(http: FlaskClient, fields: dict[str, Any]) -> None:
    job = accepted(http, **fields)
    assert (job["width"], job["height"]) == (512, 768)


def test_null_is_the_same_as_left_out(http: FlaskClient) -> None:
    job = accepted(http, size=None, width=None, height=None, seed=None, temperature=None, webhook_url=None)
    assert (job["width"], job["height"]) == (1024, 1024)


def test_condition_images_are_stored_normalised_before_the_job_is(http: FlaskClient, house: Services) -> None:
    job = accepted(http, images=[data_url(png(517, 389)), data_url(png(520, 520, "navy"))])
    keys = spec_of(house, job).settings.images
    assert job["num_condition_images"] == len(set(keys)) == 2
    sizes = [Image.open(BytesIO(house.objects.get(key))).size for key in keys]
    assert sizes == [(672, 512), (520, 520)]
    assert (job["width"], job["height"]) == (672, 512)


def test_the_same_picture_is_stored_once(http: FlaskClient, house: Services) -> None:
    job = accepted(http, images=[data_url(png())] * 2, size="256x256")
    assert len(set(spec_of(house, job).settings.images)) == 1
    assert (job["width"], job["num_condition_images"]) == (256, 2)


@pytest.mark.parametrize(
    ("given", "rendered"), [((520, 520), (512, 512)), ((2055, 513), (2048, 512)), ((1, 900), (512, 2048))]
)
def test_an_edit_without_a_size_takes_its_first_images(
    http: FlaskClient, given: tuple[int, int], rendered: tuple[int, int]
) -> None:
    job = accepted(http, images=[data_url(png(*given)), data_url(png(1024, 640))])
    assert (job["width"], job["height"]) == rendered


@pytest.mark.parametrize("part", ["images", "image", "image[]"])
def test_multipart_takes_json_and_files(http: FlaskClient, house: Services, part: str) -> None:
    files = [(BytesIO(png(512, 544)), "a.png"), (BytesIO(png(640, 512)), "b.png")]
    answer = http.post("/v1/jobs", data={"request": json.dumps({"prompt": PROMPT, "n": 2}), part: files})
    job = answer.get_json()
    assert answer.status_code == 202, job
    assert (job["prompt"], job["n"], job["num_condition_images"]) == (PROMPT, 2, 2)
    assert (job["width"], job["height"]) == (512, 544)


def test_multipart_takes_plain_fields(http: FlaskClient) -> None:
    fields = {
        "prompt": "7",
        "size": "256x512",
        "n": "2",
        "seed": "5",
        "guidance_scale": "2.5",
        "embed_metadata": "off",
        "quality": "fast",
        "priority": "batch",
        "temperature": "",
        "deadline": "",
        "metadata": '{"order": "7"}',
        "webhook_url": "https://hooks.example.com/",
        "webhook_events": '["job.failed"]',
        "images": json.dumps([data_url(png())]),
    }
    answer = http.post("/v1/jobs", data=fields, content_type="multipart/form-data")
    job = answer.get_json()
    assert answer.status_code == 202, job
    assert (job["prompt"], job["width"], job["n"], job["seed"]) == ("7", 256, 2, 5)
    assert (job["guidance_scale"], job["embed_metadata"], job["metadata"]) == (2.5, False, {"order": "7"})
    assert (job["webhook_events"], job["num_condition_images"]) == (["job.failed"], 1)


def test_multipart_takes_the_request_as_a_file(http: FlaskClient) -> None:
    data = {"request": (BytesIO(json.dumps({"prompt": PROMPT}).encode()), "request.json", "application/json")}
    assert http.post("/v1/jobs", data=data).get_json()["prompt"] == PROMPT


def large_picture() -> bytes:
    noise = BytesIO()
    Image.effect_noise((1024, 1024), 90).save(noise, "PNG")
    assert len(noise.getvalue()) > 1_000_000  # beyond what werkzeug keeps in memory by default
    return noise.getvalue()


def test_large_parts_are_taken_as_text_and_as_files(http: FlaskClient) -> None:
    request = json.dumps({"prompt": PROMPT, "images": [data_url(large_picture())]})
    in_text = httpx.Request("POST", "http://localhost/", files={"request": (None, request)})
    as_file = httpx.Request("POST", "http://localhost/", data={"prompt": PROMPT}, files={"image": large_picture()})
    for sent in (in_text, as_file):
        answer = http.post("/v1/jobs", data=sent.read(), content_type=sent.headers["content-type"])
        assert answer.status_code == 202, answer.text


def test_links_carry_the_public_url_and_answers_the_served_name(house: Services) -> None:
    http = with_settings(house, public_url="https://pictures.example.com", served_model_name="my/model")
    answer = http.post("/v1/jobs", json={"prompt": PROMPT})
    assert answer.headers["Location"].startswith("https://pictures.example.com/v1/jobs/job_")
    assert answer.get_json()["model"] == "my/model"
