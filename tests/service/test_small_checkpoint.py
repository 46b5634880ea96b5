"""Through the whole service with the small checkpoint, every picture equals the reference pipeline's within 1 of 255.
Its commands and its processes that are killed are tried on the same service, because loading the models takes long.
"""

import base64
import hashlib
import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageOps

from cli.demo.service import service
from shared.images.normalise import normalise
from shared.jobs.spec import RenderSettings
from tests.cli.waiting import eventually, is_alive
from tests.fixtures.pictures import photo_like
from tests.fixtures.reference import Reference
from tests.service.commands import Gridpress, against, pids

DEADLINE_S = 300.0
STEPS = 2

# On 517x389 the reference fails by itself: the service normalises it first.
IMAGES = {"a": photo_like(512, 544, 1), "b": photo_like(640, 512, 2), "c": photo_like(517, 389, 3)}
REQUESTS: dict[str, dict[str, Any]] = {
    "quoted": {"prompt": 'a poster: "SALE" and “今天” and 「夏」', "size": "256x320", "seed": 2, "guidance_scale": 4.0},
    "wide": {"prompt": "a river delta", "size": "352x256", "seed": 4, "guidance_scale": 1.0},
    "two, of which one seed wraps": {"prompt": "paper cranes", "size": "256x256", "seed": 2**53 - 1, "n": 2},
    "edit with two": {"prompt": 'both, "9:41"', "size": "256x288", "seed": 7, "images": ["b", "a"]},
    "edit of an odd size": {"prompt": "at night", "size": "256x256", "seed": 8, "images": ["c"]},
}
ROLES = {"valkey", "seaweedfs", "api", "ar", "dit", "delivery", "upkeep", "batch"}
FOX = ("render", 'a red fox that says "hi"', "--size", "256x256", "--steps", "4", "--seed", "3")
Expected = Callable[[str, int], Image.Image]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def url(data_dir: Path, tiny_checkpoint: Path) -> Iterator[str]:
    with service(data_dir, tiny_checkpoint) as address:
        yield address


@pytest.fixture(scope="module")
def gridpress(url: str) -> Gridpress:
    return against(url)


@pytest.fixture(scope="module")
def expected(glm_reference: Reference) -> Expected:
    """Returns a function that draws a request's picture with the reference. It takes seconds, so it draws each once."""

    @cache
    def picture(name: str, seed: int) -> Image.Image:
        asked = REQUESTS[name]
        width, height = map(int, asked["size"].split("x"))
        settings = RenderSettings(
            prompt=asked["prompt"],
            width_px=width,
            height_px=height,
            num_inference_steps=STEPS,
            guidance_scale=asked.get("guidance_scale", 1.5),
        )
        images = [Image.open(io.BytesIO(_normalised(key))) for key in asked.get("images", [])]
        return glm_reference.picture(settings, seed, images)

    return picture


@pytest.fixture(scope="module")
def jobs(url: str) -> Mapping[str, dict[str, Any]]:
    """All requests at once, so that they share batches; their jobs once they have ended."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        ids = {name: client.post("/v1/jobs", json=_body(asked)).json()["id"] for name, asked in REQUESTS.items()}
        deadline = time.monotonic() + DEADLINE_S
        while True:
            found = {name: client.get(f"/v1/jobs/{job_id}").json() for name, job_id in ids.items()}
            if all(job["finished_at"] for job in found.values()):
                return found
            assert time.monotonic() < deadline, {name: job["status"] for name, job in found.items()}
            time.sleep(0.2)


@pytest.mark.parametrize("name", REQUESTS)
def test_every_picture_is_the_references(name: str, jobs: Mapping[str, dict[str, Any]], expected: Expected) -> None:
    job, asked = jobs[name], REQUESTS[name]
    assert job["status"] == "succeeded", job["error"]
    for answer in job["images"]:
        assert answer["seed"] == (asked["seed"] + answer["index"]) % 2**53
        data = _download(answer["url"])
        assert hashlib.sha256(data).hexdigest() == answer["sha256"]
        assert _largest_difference(Image.open(io.BytesIO(data)), expected(name, answer["seed"])) <= 1


def test_the_file_tells_how_it_was_made(jobs: Mapping[str, dict[str, Any]]) -> None:
    text = Image.open(io.BytesIO(_download(jobs["quoted"]["images"][0]["url"]))).text  # type: ignore[attr-defined]
    assert text["prompt"] == REQUESTS["quoted"]["prompt"]
    assert text["seed"] == "2"
    assert text["model_revision"] == jobs["quoted"]["revision"]
    assert json.loads(text["settings"])["guidance_scale"] == 4.0


def _body(asked: Mapping[str, Any]) -> dict[str, Any]:
    images = [
        f"data:image/png;base64,{base64.b64encode(_png(IMAGES[key])).decode()}" for key in asked.get("images", [])
    ]
    return {**asked, "num_inference_steps": STEPS, "images": images}


def _normalised(key: str) -> bytes:
    return normalise(_png(IMAGES[key]), max_pixels=10**7, field="images[0]")


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _download(link: str) -> bytes:
    return httpx.get(link, follow_redirects=True, trust_env=False).raise_for_status().content


def _largest_difference(one: Image.Image, other: Image.Image) -> int:
    assert one.size == other.size
    return int(np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max())


def test_a_re_render_with_the_same_settings_is_the_same_picture_and_no_ar_work(
    url: str, jobs: Mapping[str, dict[str, Any]]
) -> None:
    for name in ("quoted", "edit of an odd size"):
        (was,) = jobs[name]["images"]
        again = _ended(url, {"prior": {"job_id": jobs[name]["id"], "index": 0}})
        (image,) = again["images"]
        assert (image["sha256"], image["seed"]) == (was["sha256"], was["seed"])
        assert (image["timings"]["ar_s"], again["prior"]["job_id"]) == (None, jobs[name]["id"])
        events = httpx.get(again["links"]["events"], trust_env=False).text
        assert "decode_running" in events
        assert "prior_running" not in events


def test_a_re_render_of_several_pictures_shares_the_grid_and_nothing_else(
    url: str, jobs: Mapping[str, dict[str, Any]]
) -> None:
    source = jobs["wide"]
    again = _ended(url, {"prior": {"job_id": source["id"]}, "n": 2, "num_inference_steps": 1, "output_format": "webp"})
    assert len({image["sha256"] for image in (*source["images"], *again["images"])}) == 3
    grids = [httpx.get(job["images"][-1]["grid_url"], trust_env=False).json() for job in (source, again)]
    assert grids[0] == grids[1]


def test_a_resized_picture_is_the_middle_of_the_next_larger_one(url: str, expected: Expected) -> None:
    job = _ended(url, {**_body(REQUESTS["quoted"]), "size": "250x300", "resize": True})
    (image,) = job["images"]
    assert (job["rendered_size"], image["width"], image["height"]) == ("256x320", 250, 300)
    larger = ImageOps.fit(expected("quoted", 2), (250, 300), Image.Resampling.LANCZOS)
    assert _largest_difference(Image.open(io.BytesIO(_download(image["url"]))), larger) <= 1


def test_a_prompt_becomes_a_picture_on_disk_and_the_commands_show_it(gridpress: Gridpress, tmp_path: Path) -> None:
    result = gridpress(*FOX, "--out", tmp_path / "fox.png")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/fox.png\n")
    with Image.open(tmp_path / "fox.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (256, 256))
    newest = json.loads(gridpress("jobs", "--json", "--limit", 1).stdout)["data"][0]
    assert newest["prompt"] == FOX[1]
    assert newest["id"] in gridpress("jobs").stdout
    shown = gridpress("job", newest["id"]).stdout
    assert newest["prompt"] in shown
    assert newest["images"][0]["url"] in shown
    assert gridpress("webhooks", "secret").stdout.startswith("whsec_")


def test_there_is_one_serving_process_a_role(url: str, data_dir: Path) -> None:
    assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    found = pids(data_dir)
    assert found.keys() == ROLES
    assert all(map(is_alive, found.values()))
    assert len(set(found.values())) == len(ROLES)


def test_a_job_can_be_cancelled(gridpress: Gridpress, url: str) -> None:
    job = httpx.post(f"{url}/v1/jobs", json={"prompt": "a fox", "n": 4}, trust_env=False).json()
    assert gridpress("cancel", job["id"]).stdout == f"{job['id']} cancelled\n"


def test_bad_requests_are_refused_in_one_line(gridpress: Gridpress) -> None:
    result = gridpress("render", "a fox", "--size", "500x512")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "try 480 or 512" in result.stderr


@pytest.mark.parametrize("roles", [("valkey", "seaweedfs"), ("api", "batch", "delivery", "upkeep")])
def test_killed_roles_come_back_and_pictures_go_on(
    gridpress: Gridpress, data_dir: Path, tmp_path: Path, roles: tuple[str, ...]
) -> None:
    killed = pids(data_dir)
    for role in roles:
        os.kill(killed[role], signal.SIGKILL)
    eventually(lambda: all(pids(data_dir).get(role, killed[role]) != killed[role] for role in roles))
    eventually(lambda: gridpress("jobs").exit_code == 0)
    result = gridpress(*FOX, "--out", tmp_path / "fox.png")
    assert result.exit_code == 0, result.output


def test_workers_killed_while_they_draw_change_no_picture(url: str, data_dir: Path, expected: Expected) -> None:
    """`tests.chaos.test_real_engines` (`make test-long`) also kills workers while they load their models."""
    name = "two, of which one seed wraps"
    job_id = _submitted(url, _body(REQUESTS[name]))
    for stage, running in (("ar", "prior_running"), ("dit", "decode_running")):
        _wait_for_an_image(url, job_id, running)
        os.kill(pids(data_dir)[stage], signal.SIGKILL)
    job = _when_ended(url, job_id)
    for image in job["images"]:
        picture = Image.open(io.BytesIO(_download(image["url"])))
        assert _largest_difference(picture, expected(name, image["seed"])) <= 1


def _submitted(url: str, body: dict[str, Any]) -> str:
    return str(httpx.post(f"{url}/v1/jobs", json=body, trust_env=False).json()["id"])


def _job(url: str, job_id: str) -> dict[str, Any]:
    return dict(httpx.get(f"{url}/v1/jobs/{job_id}", trust_env=False).json())


def _wait_for_an_image(url: str, job_id: str, status: str) -> None:
    """The limit leaves time to load a model again on a busy machine."""
    deadline = time.monotonic() + DEADLINE_S
    while status not in (seen := {image["status"] for image in _job(url, job_id)["images"]}):
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def _when_ended(url: str, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_S
    while not (job := _job(url, job_id))["finished_at"]:
        assert time.monotonic() < deadline, job["status"]
        time.sleep(0.1)
    assert job["status"] == "succeeded", job["error"]
    return job


def _ended(url: str, body: dict[str, Any]) -> dict[str, Any]:
    return _when_ended(url, _submitted(url, body))
