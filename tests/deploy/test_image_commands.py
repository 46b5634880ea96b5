"""What `make images`, `sbom` and `lock` say where their tool is missing, and what they leave behind."""

import os
import subprocess
from pathlib import Path

import pytest

_DOCKER = Path(__file__).parents[2] / "docker"


@pytest.mark.parametrize(("command", "variable"), [("images", "DOCKER"), ("sbom", "DOCKER"), ("lock", "UV")])
def test_a_missing_tool_is_named_in_one_line(command: str, variable: str) -> None:
    environment = {**os.environ, variable: "no-such-tool"}
    ended = subprocess.run([_DOCKER / command], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith(f"make {command}: there is no no-such-tool here: ")


def test_a_list_of_an_image_that_is_not_there_leaves_no_empty_file(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "sbom").write_text((_DOCKER / "sbom").read_text())
    environment = {**os.environ, "DOCKER": "false", "TAG": "1"}
    command = ["sh", tmp_path / "docker" / "sbom"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "make sbom: no image gridpress-api:1: run make images\n")
    assert list((tmp_path / "out" / "sbom").iterdir()) == []
