"""The demo's parts: its prompts, its receiver, its contact sheet, and when it calls itself failed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from standardwebhooks.webhooks import Webhook

from cli.demo.examples import FOR_GLM_IMAGE as PROMPTS_FOR_GLM_IMAGE
from cli.demo.examples import PROMPTS, Example, load
from cli.demo.receiver import Receiver
from cli.demo.report import check
from cli.demo.run import Outcome
from cli.errors import Failure
from cli.jobs.sheet import Print, contact_sheet
from shared.demo_model import FOOTER
from shared.geometry import check_size
from shared.images.normalise import normalise
from shared.intake.request import JobRequest
from tests.cli.stub_api import finished, job

SECRET = "whsec_" + "c2VjcmV0" * 5
EXAMPLES = load(PROMPTS)
FOR_GLM_IMAGE = load(PROMPTS_FOR_GLM_IMAGE)


def by_name(name: str) -> dict[str, Any]:
    return next(example.fields for example in FOR_GLM_IMAGE if example.name == name)


def num_images(examples: list[Example]) -> list[int]:
    return sorted(len(example.fields.get("images", ())) for example in examples)


def ratios(examples: list[Example]) -> list[float]:
    return sorted(width / height for width, height in (size_of(example.fields) for example in examples))


def size_of(fields: dict[str, Any]) -> tuple[int, int]:
    width, height = fields["size"].split("x") if "size" in fields else (fields["width"], fields["height"])
    return int(width), int(height)


@pytest.mark.parametrize("example", [*EXAMPLES, *FOR_GLM_IMAGE], ids=lambda example: example.name)
def test_every_example_is_a_request_that_the_api_takes(example: Any) -> None:
    JobRequest.model_validate(example.fields)
    check_size(*size_of(example.fields))


def test_the_demos_ten_pictures_show_text_edits_several_pictures_wide_and_tall() -> None:
    assert sum(example.fields.get("n", 1) for example in EXAMPLES) == 10
    assert sum('"' in example.fields["prompt"] for example in EXAMPLES) == 2
    assert num_images(EXAMPLES)[-3:] == [1, 1, 2]
    assert max(example.fields.get("n", 1) for example in EXAMPLES) == 2
    assert (min(ratios(EXAMPLES)), max(ratios(EXAMPLES))) == (0.5, 2)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_demos_pictures_have_sizes_that_the_demonstration_model_paints_in_full_quality(example: Example) -> None:
    sides = size_of(example.fields)
    assert 256 <= min(sides) <= max(sides) <= 512
    assert max(sides) <= 2 * min(sides)


def test_the_examples_for_the_real_model_are_what_it_is_used_for() -> None:
    recipe, poster = by_name("recipe-page"), by_name("tea-poster")
    assert (size_of(recipe), recipe["seed"], recipe["guidance_scale"]) == ((1152, 1024), 42, 1.5)
    assert recipe["prompt"].count('"') >= 20
    assert all(mark in poster["prompt"] for mark in "「」“”")
    assert min(ratios(FOR_GLM_IMAGE)) <= 0.5
    assert max(ratios(FOR_GLM_IMAGE)) >= 2
    assert [example.fields["n"] for example in FOR_GLM_IMAGE if "n" in example.fields] == [3]
    assert num_images(FOR_GLM_IMAGE)[-2:] == [1, 2]
    assert size_of(by_name("mug-at-sea")) == (32 * 32, 33 * 32)


def test_the_photo_that_is_edited_has_the_size_of_its_edit() -> None:
    with Image.open(PROMPTS.with_name("mug.jpg")) as photo:
        assert photo.size == size_of(by_name("mug-at-sea"))


@pytest.mark.parametrize("name", ["mug.jpg", "cactus.jpg", "circle.png", "stripes.png"])
def test_the_pictures_that_are_edited_are_small_and_any_size_will_do(name: str) -> None:
    photo = PROMPTS.with_name(name).read_bytes()
    assert len(photo) < 600_000
    assert normalise(photo, max_pixels=2**22, field="images")


@pytest.fixture
def receiver() -> Any:
    with Receiver(SECRET) as running:
        yield running


def send(receiver: Receiver, job_id: str, secret: str = SECRET) -> int:
    body = f'{{"type": "job.succeeded", "data": {{"id": "{job_id}"}}}}'
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", now, body),
    }
    return httpx.post(receiver.url, content=body, headers=headers, trust_env=False).status_code


def test_a_signed_webhook_is_taken_and_counted_once_per_job(receiver: Receiver) -> None:
    assert [send(receiver, job_id) for job_id in ("job_1", "job_1", "job_2")] == [204, 204, 204]
    assert receiver.wait_for(["job_1", "job_2"], timeout_s=60) == 2
    assert receiver.num_refused == 0


def test_a_webhook_with_another_signature_is_refused(receiver: Receiver) -> None:
    assert send(receiver, "job_1", "whsec_" + "b3RoZXIh" * 5) == 401
    assert httpx.post(receiver.url, content=b"{}", trust_env=False).status_code == 401
    assert receiver.num_refused == 2
    assert receiver.wait_for(["job_1"], timeout_s=0) == 0


def test_webhooks_of_other_jobs_do_not_count(receiver: Receiver) -> None:
    send(receiver, "job_9")
    assert receiver.wait_for(["job_1"], timeout_s=0) == 0


def test_the_contact_sheet_holds_every_picture(tmp_path: Path) -> None:
    prints = []
    for index, size in enumerate([(256, 256), (1024, 256), (256, 1024), (64, 64), (512, 512)]):
        path = tmp_path / f"{index}.png"
        Image.new("RGB", size, (200, 30 * index, 50)).save(path)
        prints.append(Print(path, f"picture {index}", "a note"))
    contact_sheet(prints, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(sheet.width * sheet.height) or ()}
    assert {(200, 30 * index, 50) for index in range(5)} <= colours


def test_the_contact_sheet_has_a_line_about_all_pictures_below_them(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "one.png")
    prints = [Print(tmp_path / "one.png", "one", "a note")]
    contact_sheet(prints, tmp_path / "without.png")
    contact_sheet(prints, tmp_path / "with.png", FOOTER)
    with Image.open(tmp_path / "without.png") as without, Image.open(tmp_path / "with.png") as with_line:
        footer = with_line.convert("L").crop((0, without.height, with_line.width, with_line.height))
    darkest, ink = footer.getextrema()[0], footer.point(lambda value: 255 if value < 128 else 0).getbbox()
    assert darkest < 64
    assert ink is not None
    assert ink[2] < footer.width - 20  # nothing of the line is cut off


def outcome(answer: dict[str, Any]) -> Outcome:
    return Outcome("fox", answer, ())


def test_a_demo_in_which_all_went_well_passes() -> None:
    check([outcome(finished())], num_verified=1, num_refused=0)


@pytest.mark.parametrize(
    ("answer", "num_verified", "num_refused", "why"),
    [
        (job(status="failed", error={"message": "out of memory"}), 1, 0, r"fox failed \(out of memory\)"),
        (job(status="cancelled"), 1, 0, "fox cancelled"),
        (finished(), 0, 0, "1 of 1 webhooks did not arrive"),
        (finished(), 1, 1, "1 webhooks did not verify"),
    ],
)
def test_a_demo_fails_by_name(answer: dict[str, Any], num_verified: int, num_refused: int, why: str) -> None:
    with pytest.raises(Failure, match=why):
        check([outcome(answer)], num_verified, num_refused)


def test_the_total_counts_from_submission_to_the_end() -> None:
    assert outcome(finished()).total_s == 9.0
