"""`gridpress demo` as a user runs it: pictures come out, nothing stays behind, and a restart keeps all of them.
`tests.service.test_small_checkpoint` tries the other commands on a service with the small checkpoint.
"""

import json
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cli.demo.service import service
from tests.cli.waiting import is_alive
from tests.service.commands import against, pids
from workers.checkpoint.shipped import demo_weights


class Demo:
    """One run of `gridpress demo` with two requests of its own: of the default model, where its weights ship."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.data_dir, self.out = folder / "data", folder / "out"
        prompts = folder / "prompts.jsonl"
        Image.new("RGB", (256, 256), "teal").save(folder / "photo.png")
        fields = {"prompt": 'a "small" fox', "width": 256, "height": 256, "num_inference_steps": 2}
        lines = [fields | {"name": "pair", "n": 2}, fields | {"name": "edit", "images": ["photo.png"]}]
        prompts.write_text("\n".join(map(json.dumps, lines)))
        folders = ("--data", self.data_dir, "--out", self.out)
        model_named = () if demo_weights() else ("--model", model)
        self.result = against("")("demo", *model_named, "--prompts", prompts, *folders)

    def pictures(self) -> set[bytes]:
        return {path.read_bytes() for path in self.out.iterdir() if path.name != "contact_sheet.png"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Demo:
    return Demo(tmp_path_factory.mktemp("demo"), tiny_checkpoint)


def test_the_demo_ends_well_and_leaves_its_pictures(demo: Demo) -> None:
    assert demo.result.exit_code == 0, demo.result.output
    pictures = {"edit.png", "pair-0.png", "pair-1.png"}
    assert {path.name for path in demo.out.iterdir()} == {*pictures, "contact_sheet.png"}
    assert all(f"{demo.out}/{name}" in demo.result.stdout for name in pictures)
    assert "2 of 2 signed webhooks arrived and were verified" in demo.result.stdout


def test_the_demo_leaves_no_process_behind(demo: Demo) -> None:
    holder = int((demo.data_dir / "run" / "lock").read_text())
    assert not is_alive(holder)
    assert not pids(demo.data_dir)


def test_a_restart_keeps_every_job_and_picture(demo: Demo) -> None:
    with service(demo.data_dir, "simulate:") as address:  # nothing is drawn, so no model has to be loaded
        jobs = json.loads(against(address)("jobs", "--json").stdout)["data"]
        links = [f"{address}/v1/jobs/{job['id']}/images/{image['index']}" for job in jobs for image in job["images"]]
        assert {download(link) for link in links} == demo.pictures()


def download(link: str) -> bytes:
    return httpx.get(link, follow_redirects=True, trust_env=False).raise_for_status().content
