"""The demonstration model's weights are found in a checkout and in an installed wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from workers.checkpoint import shipped

ROOT = Path(__file__).parents[3]
WEIGHTS = Path("workers", "checkpoint", "demo", "weights")
FILES = ("model_index.json", "README.md", "transformer/config.json", "vae/diffusion_pytorch_model.safetensors")
FIND = "from workers.checkpoint.shipped import demo_weights; print(demo_weights())"
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def output(folder: Path, *arguments: str) -> str:
    """Standard output of Python in a folder. Our own checkout is not on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = (sys.executable, *arguments)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this project, with stand-ins for the weights' files."""
    source, built = (tmp_path_factory.mktemp(name) for name in ("source", "built"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("api", "cli", "gridpress", "shared", "workers"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    for name in FILES:
        (source / WEIGHTS / name).parent.mkdir(parents=True, exist_ok=True)
        (source / WEIGHTS / name).write_bytes(name.encode())
    output(source, "-c", BUILD, str(built))
    [wheel] = built.glob("*.whl")
    return wheel


def test_the_wheel_holds_every_file_of_the_weights(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert {f"{WEIGHTS.as_posix()}/{name}" for name in FILES} <= set(archive.namelist())


def test_an_installed_wheel_finds_the_weights(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    assert output(tmp_path, "-c", FIND).strip() == str(tmp_path / WEIGHTS)


def test_a_checkout_finds_the_weights_where_they_are_committed() -> None:
    found = shipped.demo_weights()
    assert (found == ROOT / WEIGHTS) == (ROOT / WEIGHTS / "model_index.json").is_file()


def test_a_folder_without_a_checkpoint_holds_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "DEMO_WEIGHTS", tmp_path)
    assert shipped.demo_weights() is None
