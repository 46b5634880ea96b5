"""The whole service with the simulated engine: the same processes, no torch, pictures that can be foretold."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from cli.client import Client
from cli.demo.service import service
from shared.jobs.spec import RenderSettings
from shared.jobs.token_grid import Prior
from shared.process.starting import EXIT_MISCONFIGURED
from tests.api.pictures import data_url, png
from workers.simulate.picture import simulated_grid, simulated_picture

PROMPT = "a red kite"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with service(tmp_path_factory.mktemp("service"), "simulate:ar=0,dit=0") as address:
        yield address


def submit(url: str, **fields: object) -> dict[str, object]:
    """The job at its end."""
    with Client(url) as client:
        job = client.submit({"prompt": PROMPT, "size": "256x288", "seed": 3, "num_inference_steps": 4, **fields})
        *_, last = client.watch([job["id"]])
        return dict(last[job["id"]])


def test_every_render_comes_out_as_foretold(url: str) -> None:
    job = submit(url, n=3)
    for image in job["images"]:  # type: ignore[attr-defined]
        data = httpx.get(image["url"], follow_redirects=True, trust_env=False).raise_for_status().content
        asked = RenderSettings(prompt=PROMPT, width_px=256, height_px=288)
        expected = simulated_picture(Prior(simulated_grid(asked, image["seed"])), asked)
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.convert("RGB").tobytes() == expected.tobytes()


def test_an_edit_goes_through_both_stages(url: str) -> None:
    assert submit(url, images=[data_url(png())])["status"] == "succeeded"


def test_a_failure_that_was_asked_for_names_itself(url: str) -> None:
    job = submit(url, prompt="[simulate fail in dit]")
    assert (job["status"], job["images"][0]["error"]["code"]) == ("failed", "simulated_failure")  # type: ignore[index]


@pytest.mark.parametrize("stage", ["ar", "dit"])
def test_no_worker_loads_torch(stage: str) -> None:
    code = f"import json, sys, workers.simulate.{stage}; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert f"workers.simulate.{stage}" in loaded
    assert not {"torch", "transformers", "diffusers", "numpy"}.intersection(loaded)


@pytest.mark.parametrize("stage", ["ar", "dit"])
def test_a_simulation_that_cannot_be_read_ends_the_start_in_one_line(stage: str, tmp_path: Path) -> None:
    environment = {**os.environ, "GRIDPRESS_MODEL": "simulate:ar=fast"}
    ended = subprocess.run(
        [sys.executable, "-m", f"workers.{stage}"],
        env=environment,
        cwd=Path.cwd(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == EXIT_MISCONFIGURED
    assert ended.stderr.count("\n") == 1
    assert "simulate:ar=20ms" in ended.stderr
