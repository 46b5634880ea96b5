"""The whole service as `gridpress up` runs it, with the small checkpoint: pictures come out, whatever is killed."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cli.demo.service import service
from cli.main import main
from tests.cli.waiting import eventually, is_alive
from workers.checkpoint.shipped import demo_weights

ROLES = {"valkey", "seaweedfs", "api", "ar", "dit", "delivery", "upkeep", "batch"}
FOX = ("render", 'a red fox that says "hi"', "--size", "256x256", "--steps", "4", "--seed", "3")
Gridpress = Callable[..., Result]


def against(url: str) -> Gridpress:
    """The command line, talking to the service at `url`."""
    return lambda *arguments: CliRunner().invoke(main, [str(part) for part in arguments], env={"GRIDPRESS_URL": url})


def pids(data_dir: Path) -> dict[str, int]:
    """The serving processes by role."""
    found = {}
    for path in (data_dir / "run").glob("*-0.pid"):
        with suppress(FileNotFoundError):  # it ended just now
            found[path.stem.removesuffix("-0")] = int(path.read_text())
    return found


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def url(data_dir: Path, tiny_checkpoint: Path) -> Iterator[str]:
    with service(data_dir, tiny_checkpoint) as address:
        yield address


@pytest.fixture
def gridpress(url: str) -> Gridpress:
    return against(url)


def test_a_prompt_becomes_a_picture_on_disk(gridpress: Gridpress, tmp_path: Path) -> None:
    result = gridpress(*FOX, "--out", tmp_path / "fox.png")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/fox.png\n")
    with Image.open(tmp_path / "fox.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (256, 256))


def test_there_is_one_serving_process_a_role(url: str, data_dir: Path) -> None:
    assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    found = pids(data_dir)
    assert found.keys() == ROLES
    assert all(map(is_alive, found.values()))
    assert len(set(found.values())) == len(ROLES)


def test_the_commands_show_what_was_rendered(gridpress: Gridpress) -> None:
    newest = json.loads(gridpress("jobs", "--json", "--limit", 1).stdout)["data"][0]
    assert newest["id"] in gridpress("jobs").stdout
    shown = gridpress("job", newest["id"]).stdout
    assert newest["prompt"] in shown
    assert newest["images"][0]["url"] in shown
    assert gridpress("webhooks", "secret").stdout.startswith("whsec_")


def test_a_job_can_be_cancelled(gridpress: Gridpress, url: str) -> None:
    job = httpx.post(f"{url}/v1/jobs", json={"prompt": "a fox", "n": 4}, trust_env=False).json()
    assert gridpress("cancel", job["id"]).stdout == f"{job['id']} cancelled\n"


def test_bad_requests_are_refused_in_one_line(gridpress: Gridpress) -> None:
    result = gridpress("render", "a fox", "--size", "500x512")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "try 480 or 512" in result.stderr


@pytest.mark.parametrize("roles", [("valkey",), ("seaweedfs",), ("api", "batch", "delivery", "upkeep")])
def test_a_killed_role_comes_back_and_pictures_go_on(
    gridpress: Gridpress, data_dir: Path, tmp_path: Path, roles: tuple[str, ...]
) -> None:
    """`tests.chaos.test_real_engines` kills workers, and has to load their models again."""
    killed = pids(data_dir)
    for role in roles:
        os.kill(killed[role], signal.SIGKILL)
    eventually(lambda: all(pids(data_dir).get(role, killed[role]) != killed[role] for role in roles))
    eventually(lambda: gridpress("jobs").exit_code == 0)
    result = gridpress(*FOX, "--out", tmp_path / "fox.png")
    assert result.exit_code == 0, result.output


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
