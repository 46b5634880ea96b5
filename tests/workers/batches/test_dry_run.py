"""A dry run: lines that would fail, pictures, cost and expected end. Nothing is stored."""

from io import BytesIO
from typing import Any

import pytest

from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.ids import DEFAULT_TENANT
from shared.jobs.spec import RenderSettings
from shared.schedule.cost import cost_of
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.pictures import data_url, png
from tests.workers.batches.shop import Json, Shop, a_line, jsonl, some_lines
from tests.workers.batches.test_standing import in_hours, keys_of


def asked_of(shop: Shop, lines: bytes, **fields: object) -> Json:
    endpoint = {"endpoint": "/v1/jobs", "completion_window": "24h"}
    return {"input_file_id": shop.upload(lines), **endpoint, "dry_run": True, **fields}


def dry(shop: Shop, asked: Json, **headers: str) -> tuple[int, Any]:
    answer = shop.http.post("/v1/batches", json=asked, headers=headers)
    return answer.status_code, answer.get_json()


def objects_of(shop: Shop) -> list[str]:
    objects = shop.house.objects
    pages = objects._client.get_paginator("list_objects_v2").paginate(Bucket=objects._bucket)
    return sorted(each["Key"] for page in pages for each in page.get("Contents", []))


def test_a_dry_run_counts_pictures_and_cost_and_names_every_line_that_would_fail(shop: Shop) -> None:
    small = {"size": "512x512", "num_inference_steps": 10}
    lines = [a_line(0, n=3, **small), a_line(1, size="99x99"), a_line(2), a_line(3, n=999)]
    status, told = dry(shop, asked_of(shop, jsonl(lines)))
    assert (status, told["object"], told["is_batch"]) == (200, "batch.dry_run", True)
    assert [(error["line"], error["param"]) for error in told["errors"]["data"]] == [(2, "size"), (4, "n")]
    assert (told["total"], told["valid"], told["num_pictures"]) == (4, 2, 4)
    drawn = RenderSettings(prompt="", width_px=512, height_px=512, num_inference_steps=10)
    one, other = cost_of(drawn), cost_of(RenderSettings(prompt="", width_px=1024, height_px=1024))
    pixels = 3 * 512**2 + 1024**2
    assert told["cost"] == {"ar": 3 * one.ar + other.ar, "dit": 3 * one.dit + other.dit, "pixels": pixels}


def test_a_dry_run_says_the_cost_that_its_jobs_then_have(shop: Shop, client: Client) -> None:
    lines = jsonl([a_line(0, size="512x768", n=2), a_line(1, guidance_scale=1.0), a_line(2, quality="fast")])
    _, told = dry(shop, asked_of(shop, lines))
    shop.create(lines)
    shop.work()
    jobs = [client.hgetall(f"gridpress:job:{job}") for job in client.zrange("gridpress:jobs:default", 0, -1)]
    for stage in ("ar", "dit"):
        assert told["cost"][stage] == sum(int(job["n"]) * int(job[f"{stage}_cost"]) for job in jobs)


def test_a_dry_run_stores_nothing_and_uses_up_no_key(shop: Shop, client: Client) -> None:
    asked = asked_of(shop, some_lines(3), finish_by=in_hours(2), priority="high")
    key = {"Idempotency-Key": "the-same"}
    before, objects = keys_of(client), objects_of(shop)
    first, second = dry(shop, asked, **key), dry(shop, asked, **key)
    assert first[0] == second[0] == 200
    assert keys_of(client) == before
    assert objects_of(shop) == objects
    status, made = dry(shop, {**asked, "dry_run": False}, **key)
    assert (status, made["object"]) == (200, "batch")
    assert dry(shop, asked, **key)[1]["object"] == "batch.dry_run"


def test_a_dry_run_is_refused_as_the_batch_would_be(shop: Shop, client: Client) -> None:
    asked = asked_of(shop, some_lines(1))
    picture = shop.http.post("/v1/files", data={"purpose": "vision", "file": (BytesIO(b"x"), "a.png")})
    tried: dict[str, Json] = {
        "input_file_id": {"input_file_id": "file-" + "0" * 26},
        "retry_of": {"retry_of": "batch_" + "0" * 26},
        "defaults.size": {"defaults": {"size": "100x100"}},
        "completion_window": {"completion_window": "99d"},
        "webhook_url": {"webhook_url": "https://user:secret@a.example/"},
    }
    before = keys_of(client)
    for field, change in tried.items():
        for is_dry in (True, False):
            status, told = dry(shop, {**asked, **change, "dry_run": is_dry})
            assert (status, told["error"]["param"]) == (400, field), told
    assert keys_of(client) == before
    status, told = dry(shop, {**asked, "input_file_id": picture.get_json()["id"]})
    assert (status, told["error"]["param"]) == (400, "input_file_id")


def test_a_dry_run_of_a_broken_file_says_what_is_wrong_and_where(shop: Shop, client: Client) -> None:
    asked = asked_of(shop, jsonl([a_line(0)]) + b'{"custom_id": "b"\n')
    before = keys_of(client)
    status, told = dry(shop, asked)
    assert (status, told["error"]["param"]) == (400, "input_file_id")
    assert "line 2: malformed JSON" in told["error"]["message"]
    assert keys_of(client) == before
    strict = asked_of(shop, jsonl([a_line(0), a_line(1, n=99), a_line(2, n=99)]), strict=True)
    status, told = dry(shop, strict)
    assert (status, told["error"]["param"]) == (400, "input_file_id")
    assert all(part in told["error"]["message"] for part in ("line 2: n must be ", "1 more"))


def test_a_dry_run_names_lines_over_a_limit_and_lines_whose_files_are_not_there(shop: Shop, client: Client) -> None:
    gone = "file-" + "0" * 26
    lines = [a_line(0, n=3), a_line(1, images=[gone]), a_line(2), a_line(3, images=[gone, gone])]
    asked = asked_of(shop, jsonl(lines))
    KeyStore(client).set_limits(DEFAULT_TENANT, TenantLimits(queued_renders=2))
    _, key = KeyStore(client).create(DEFAULT_TENANT, [Scope.ADMIN])
    _, told = dry(shop, asked, Authorization=f"Bearer {key}")
    errors = [(error["line"], error["code"], error["param"]) for error in told["errors"]["data"]]
    assert errors == [(1, "over_limit", None), (2, "invalid_image", "images[0]"), (4, "invalid_image", "images[0]")]


def test_a_dry_run_of_a_retry_looks_at_the_lines_that_it_would_take_up(shop: Shop) -> None:
    shop.fails = lambda claim: claim.settings.prompt == "picture 1"
    lines = some_lines(3)
    first = shop.run(shop.create(lines))
    asked = {key: first[key] for key in ("input_file_id", "endpoint", "completion_window")}
    status, told = dry(shop, {**asked, "retry_of": first["id"], "dry_run": True})
    assert (status, told["total"], told["num_pictures"]) == (200, 1, 1)


def test_the_answer_to_the_creation_says_that_finish_by_cannot_be_met(shop: Shop, client: Client) -> None:
    lines = some_lines(50)
    assert shop.create(lines, finish_by=in_hours(1))["on_time"] is None, "nothing is measured yet"
    a_pace(client)
    late, early = (shop.create(lines, finish_by=in_hours(hours)) for hours in (0.01, 24))
    assert (late["on_time"], early["on_time"]) == (False, True)
    assert late["expected_end"] > late["finish_by"]
    _, told = dry(shop, asked_of(shop, lines, finish_by=in_hours(0.005)))
    assert told["on_time"] is False
    shop.stir()
    shop.work()
    found = shop.batch(late)
    assert (found["on_time"], found["eta_s"] > 36) == (False, True)
    assert shop.batch(early)["eta_s"] > found["eta_s"], "it comes after the other"


def a_pace(client: Client) -> None:
    """One worker of one slot in each stage, with a second for a usual picture."""
    cost = cost_of(RenderSettings(prompt="", width_px=1024, height_px=1024))
    for stage, one in (("ar", cost.ar), ("dit", cost.dit)):
        sums = {"ms": 10_000, "cost": 10 * one, "n": 10}
        pace = {f"{kind}{name}": value for kind in ("", "full_") for name, value in sums.items()}
        client.hset(f"gridpress:pace:{stage}", mapping=pace)
        client.zadd(f"gridpress:workers:{stage}", {"w": 9e15})
        client.hset(f"gridpress:slots:{stage}", "w", 1)


@pytest.mark.parametrize("is_dry", [True, False])
def test_the_warnings_of_a_job_are_those_of_a_dry_run_and_of_a_validation(shop: Shop, is_dry: bool) -> None:
    endpoint = "/v1/images/edits"
    web = {"images": [{"image_url": "https://pictures.example/a.png"}]}
    own = {"images": [{"image_url": data_url(png())}]}
    bodies = [{**web, "style": "vivid"}, {**own, "style": "natural", "moderation": "low"}, web, own]
    asked = asked_of(shop, jsonl([a_line(i, endpoint, **body) for i, body in enumerate(bodies)]), endpoint=endpoint)
    path = "/v1/batches" if is_dry else "/v1/batches/validate"
    told = shop.http.post(path, json={**asked, "dry_run": is_dry}).get_json()
    assert told["errors"]["data"] == []
    starts = ["2 lines: images at web URLs", "1 line: moderation has", "2 lines: style has"]
    assert [text.startswith(start) for text, start in zip(told["warnings"], starts, strict=True)] == [True] * 3


def test_a_line_with_a_wrong_name_says_which_one_was_meant_as_a_job_does(shop: Shop) -> None:
    wrong = {"sede": 7, "num_inference_step": 3, "pirority": "batch", "text_check": {"redraw": 1}}
    lines = jsonl([a_line(i, **{name: value}) for i, (name, value) in enumerate(wrong.items())])
    _, told = dry(shop, asked_of(shop, lines))
    found = [error["message"] for error in told["errors"]["data"]]
    alone = [
        shop.http.post("/v1/jobs/validate", json={"prompt": "a", name: value}).get_json()["errors"][0]["message"]
        for name, value in wrong.items()
    ]
    assert found == alone
    assert all("did you mean" in text for text in found)
