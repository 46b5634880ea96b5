"""The whole service with the simulated engine: the same processes, no torch, pictures that can be foretold.

Jobs go through the API, and batches through `gridpress batch run`.
"""

import io
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cli.client import Client
from cli.main import main
from shared.jobs.spec import OutputFormat, RenderSettings
from shared.jobs.token_grid import Prior
from tests.api.pictures import data_url, png
from tests.cli.batch.conftest import pictures, results, write_lines
from tests.fixtures.labels import GENERATED, aigc_of, source_type_of
from tests.workers.delivery.content.hooks import FakeHook
from workers.simulate.picture import simulated_grid, simulated_picture

PROMPT = "a red kite"
SMALL = ("--size", "256x256", "--steps", "4", "--seed", "100")


def submit(url: str, **fields: object) -> dict[str, object]:
    """The job at its end."""
    with Client(url) as client:
        job = client.submit({"prompt": PROMPT, "size": "256x288", "seed": 3, "num_inference_steps": 4, **fields})
        *_, last = client.watch([job["id"]])
        return dict(last[job["id"]])


def test_every_render_comes_out_as_foretold(url: str) -> None:
    job = submit(url, n=3)
    assert [image["attempts"] for image in job["images"]] == [1, 1, 1]  # type: ignore[attr-defined]
    for image in job["images"]:  # type: ignore[attr-defined]
        data = httpx.get(image["url"], follow_redirects=True, trust_env=False).raise_for_status().content
        asked = RenderSettings(prompt=PROMPT, width_px=256, height_px=288)
        expected = simulated_picture(Prior(simulated_grid(asked, image["seed"])), asked, image["seed"])
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.convert("RGB").tobytes() == expected.tobytes()


def test_an_edit_goes_through_both_stages(url: str) -> None:
    assert submit(url, images=[data_url(png())])["status"] == "succeeded"


def test_a_failure_that_was_asked_for_names_itself(url: str) -> None:
    job = submit(url, prompt="[simulate fail in dit]")
    assert (job["status"], job["images"][0]["error"]["code"]) == ("failed", "simulated_failure")  # type: ignore[index]


def test_an_equal_request_with_reuse_gets_a_copy_of_the_picture(url: str) -> None:
    first, second, other = (submit(url, seed=seed, n=2, reuse=True, prompt="a copied kite") for seed in (40, 40, 41))
    images = [job["images"] for job in (first, second, other)]
    sources = [[image["reused_from"] and image["reused_from"]["index"] for image in each] for each in images]  # type: ignore[attr-defined]
    assert sources == [[None, None], [0, 1], [1, None]]
    for made, copied in zip(*images[:2], strict=True):  # type: ignore[call-overload]
        assert copied["reused_from"]["job_id"] == first["id"] != second["id"]
        assert copied["url"] != made["url"]
        assert downloaded(copied["url"]) == downloaded(made["url"])
    assert second["status"] == "succeeded"


def test_a_picture_whose_text_is_checked_is_that_of_its_seed_alone(url: str, hook: FakeHook) -> None:
    texts = iter(("XXXX", "OPEX", "OXXX"))
    hook.answer_to = lambda _: (200, json.dumps({"text": next(texts)}).encode())
    asked = {"prompt": 'a sign "Open"', "output_format": "png"}
    [image] = submit(url, **asked, text_check={"redraws": 2})["images"]  # type: ignore[misc]
    found = image["text_check"]
    assert (image["seed"], found["redraws"], found["read"], found["matches"]) == (4, 2, "OPEX", False)
    [alone] = submit(url, **asked, seed=4)["images"]  # type: ignore[misc]
    assert image["sha256"] == alone["sha256"]
    assert [each["type"] for each in hook.questions] == ["picture.text"] * 3


def test_a_line_of_a_batch_may_ask_for_a_text_check(url: str, hook: FakeHook, tmp_path: Path) -> None:
    hook.answer_to = lambda _: (200, b'{"text": "open"}')
    prompts, out = tmp_path / "p.jsonl", tmp_path / "out"
    write_lines(prompts, [{"prompt": 'a sign "Open"', "text_check": {}}, {"prompt": "a kite", "text_check": {}}])
    done = batch(url, "run", prompts, "--out", out, *SMALL)
    assert "quotation marks" in done.stderr
    assert pictures(out) == {"line-00001.png"}


TEXT_ASKED = {"prompt": 'a sign "Open"', "size": "256x256", "text_check": {"redraws": 1}}
REUSE_ASKED = {"prompt": "a copied heron", "size": "256x256", "seed": 60, "num_inference_steps": 4, "reuse": True}


def of_openai(url: str, **fields: object) -> httpx.Response:
    body = {"num_inference_steps": 4, **fields}
    return httpx.post(f"{url}/v1/images/generations", json=body, timeout=60, trust_env=False).raise_for_status()


def edited_by_form(url: str) -> list[dict[str, object]]:
    form = {"prompt": 'a sign "Open"', "size": "256x256", "num_inference_steps": "4", "text_check[redraws]": "1"}
    files = {"image": ("a.png", png())}
    answer = httpx.post(f"{url}/v1/images/edits", data=form, files=files, timeout=60, trust_env=False)
    return list(answer.raise_for_status().json()["data"])


def completed(answer: httpx.Response) -> list[dict[str, object]]:
    """The events of a stream that have a picture."""
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
    return [event for event in events if event["type"].endswith(".completed")]


def of_zai(url: str) -> list[dict[str, object]]:
    answer = httpx.post(f"{url}/paas/v4/images/generations", json=TEXT_ASKED, timeout=60, trust_env=False)
    return list(answer.raise_for_status().json()["data"])


DOORS: dict[str, Callable[[str], list[dict[str, object]]]] = {
    "openai": lambda url: of_openai(url, **TEXT_ASKED).json()["data"],
    "openai links": lambda url: of_openai(url, **TEXT_ASKED, response_format="url").json()["data"],
    "openai stream": lambda url: completed(of_openai(url, **TEXT_ASKED, stream=True)),
    "openai form": edited_by_form,
    "zai": of_zai,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_api_format_says_which_text_was_read(url: str, hook: FakeHook, door: str) -> None:
    texts = iter(("XXXX", "OPEN"))
    hook.answer_to = lambda _: (200, json.dumps({"text": next(texts)}).encode())
    [image] = DOORS[door](url)
    expected = {"matches": True, "edit_distance": 0.0, "read": "OPEN", "redraws": 1, "error": None}
    assert (image["text_check"], "reused_from" in image) == (expected, False)


@pytest.mark.parametrize("form", ["b64_json", "url", "stream"])
def test_openais_format_says_which_picture_was_copied(url: str, form: str) -> None:
    asked = {**REUSE_ASKED, "prompt": f"a copied heron, {form}"}
    first = submit(url, **asked)
    if form == "stream":
        [image] = completed(of_openai(url, **asked, stream=True))
    else:
        [image] = of_openai(url, **asked, response_format=form).json()["data"]
    assert (image["reused_from"], "text_check" in image) == ({"job_id": first["id"], "index": 0}, False)


def downloaded(link: object, **query: str) -> bytes:
    return httpx.get(str(link), params=query, follow_redirects=True, trust_env=False).raise_for_status().content


@pytest.mark.parametrize("output_format", OutputFormat)
def test_every_picture_is_labelled_and_marked_on_request(url: str, output_format: OutputFormat) -> None:
    jobs = [submit(url, output_format=output_format, visible_mark=is_marked) for is_marked in (False, False, True)]
    [plain, again, marked] = [image for job in jobs for image in job["images"]]  # type: ignore[attr-defined]
    assert plain["sha256"] == again["sha256"] != marked["sha256"]
    numbers = set()
    for image in (plain, marked):
        for data in (downloaded(image["url"]), downloaded(image["url"], size="128")):
            assert source_type_of(data) == GENERATED
            numbers.add(aigc_of(data)["ProduceID"])
    assert len(numbers) == 2  # a thumbnail has the number of its picture


def batch(url: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["batch", *map(str, arguments), "--url", url])


def test_a_file_of_prompts_becomes_a_folder_of_pictures(url: str, tmp_path: Path) -> None:
    prompts, out = tmp_path / "p.csv", tmp_path / "out"
    prompts.write_text("custom_id,prompt,n\nfox,a fox,\npair,two foxes,2\n../owl,an owl,\n")
    done = batch(url, "run", prompts, "--out", out, *SMALL)
    assert done.exit_code == 0, done.output
    assert len(pictures(out)) == 4
    assert [one["seed"] for one in results(out)] == [100, 101, 102, 102]
    with Image.open(out / "pair-1.png") as picture:
        assert picture.size == (256, 256)
    assert batch(url, "run", prompts, "--out", out, *SMALL).exit_code == 0


def test_lines_that_fail_are_listed_and_the_rest_is_drawn(url: str, tmp_path: Path) -> None:
    prompts, out = tmp_path / "p.jsonl", tmp_path / "out"
    lines = [{"prompt": "a fox"}, {"prompt": "an owl", "size": "1x1"}, {"prompt": "[simulate fail in dit]"}]
    write_lines(prompts, lines)
    done = batch(url, "run", prompts, "--out", out, *SMALL)
    assert done.exit_code == 1
    assert "2 of 3 lines failed" in done.stderr
    assert "line-00002 (line 2): size" in done.stderr
    assert pictures(out) == {"line-00001.png"}
    assert "size" in batch(url, "validate", prompts, *SMALL).stdout
    batch_id = json.loads((out / "batch.json").read_text())["batch_id"]
    assert batch_id in batch(url, "list").stdout
    assert "2 failed" in batch(url, "show", batch_id).stdout


def usage(url: str) -> dict[str, dict[str, float]]:
    """By quality."""
    with Client(url) as client:
        return {row["quality"]: row for row in client.each("/v1/usage", group_by="quality")}


def test_usage_counts_each_picture_with_its_bytes(url: str) -> None:
    before = usage(url)
    job = submit(url, n=2)
    after = usage(url)
    (quality,) = [quality for quality, row in after.items() if row != before.get(quality)]
    images: list[dict[str, int]] = job["images"]  # type: ignore[assignment]
    names = ("pictures", "pixels", "denoise_steps", "stored_bytes")
    used = {name: after[quality][name] - before.get(quality, {}).get(name, 0) for name in names}
    assert used == {
        "pictures": 2,
        "pixels": 2 * 256 * 288,
        "denoise_steps": 8,
        "stored_bytes": sum(image["bytes"] for image in images),
    }
    assert after[quality]["ar_device_s"] > 0
