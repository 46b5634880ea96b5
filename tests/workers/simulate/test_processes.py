"""The processes of simulated workers: what they load, and how their start ends. Their pictures: `tests.service`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.process.starting import EXIT_MISCONFIGURED


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
