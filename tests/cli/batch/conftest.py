"""`gridpress batch run` against a stub service, polling without pauses."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.batch import follow
from cli.batch import retries as patience
from cli.main import main
from tests.cli.batch.service import StubService

Batch = Callable[..., Result]


@pytest.fixture
def service() -> Iterator[StubService]:
    with StubService() as stub:
        yield stub


@pytest.fixture
def batch(service: StubService, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """Runs `gridpress batch` with these arguments."""
    monkeypatch.setenv("GRIDPRESS_URL", service.url)
    monkeypatch.delenv("GRIDPRESS_API_KEY", raising=False)
    monkeypatch.setattr(follow, "_POLL_S", 0.0)
    monkeypatch.setattr(patience, "_RETRY_S", 0.0)
    return lambda *arguments: CliRunner().invoke(main, ["batch", *map(str, arguments)])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Five lines, of which one asks for two pictures."""
    path = tmp_path / "prompts.jsonl"
    lines: list[dict[str, Any]] = [{"custom_id": f"fox-{number}", "prompt": f"fox {number}"} for number in range(4)]
    write_lines(path, [*lines, {"custom_id": "pair", "prompt": "two foxes", "n": 2}])
    return path


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")


def results(out: Path) -> list[dict[str, Any]]:
    with (out / "results.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


def pictures(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if path.suffix in (".png", ".webp", ".jpeg")}
