"""What Compose's first container does to the folder of secrets. Needs no engine."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

_FOLDER = Path(__file__).parents[2] / "deploy" / "compose"


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(_FOLDER / "prepare.py"), str(folder)]
    env = {"PYTHONPATH": str(_FOLDER.parents[1])}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def test_secrets_are_made_once_for_their_owner_alone_and_none_is_told(tmp_path: Path) -> None:
    first = _run(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert not [text for text in made.values() if text in first.stdout + first.stderr]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o400}
    assert _run(tmp_path).stdout == ""
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == made


def test_no_secret_is_readable_by_others_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    replace = Path.replace

    def look(draft: Path, target: Path) -> Path:
        modes.append(draft.stat().st_mode & 0o777)
        return replace(draft, target)

    def chmod(_: Path, __: int) -> None:
        """A mode that is set later was another one before."""

    monkeypatch.setattr(Path, "replace", look)
    monkeypatch.setattr(Path, "chmod", chmod)
    runpy.run_path(str(_FOLDER / "prepare.py"))["make_secrets"](tmp_path)
    assert set(modes) == {0o400}


def test_what_a_killed_run_has_left_stops_no_later_one_and_is_no_secret(tmp_path: Path) -> None:
    left = tmp_path / ".api_key"
    left.write_text("half")
    left.chmod(0o400)
    assert _run(tmp_path).returncode == 0
    assert (tmp_path / "api_key").read_text().startswith("gp_")
    assert not left.exists()


def test_grafanas_password_is_whole_or_missing(tmp_path: Path) -> None:
    service = yaml.safe_load((_FOLDER / "observability.yaml").read_text())["services"]["grafana-password"]
    code = service["command"][0].replace("/etc/gridpress/secrets", str(tmp_path))
    cut_off = code.replace("import pathlib, secrets", "import pathlib, secrets\nsecrets.token_urlsafe = None")
    assert subprocess.run([sys.executable, "-c", cut_off], capture_output=True, check=False).returncode == 1
    assert not (tmp_path / "grafana_password").exists()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len((tmp_path / "grafana_password").read_text()) == 32
    assert (tmp_path / "grafana_password").stat().st_mode & 0o777 == 0o600
