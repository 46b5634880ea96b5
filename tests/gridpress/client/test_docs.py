"""The programs on the pages, as they are printed, run against the real API."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.services import Services
from shared.store.core.connect import Client as Store
from shared.store.renders.leases import LeaseStore
from tests.api.rendering import render_next
from tests.shared.store.builders import RULES

ROOT = Path(__file__).parents[3]
PICTURE = b"the bytes of a picture"
_LIMIT_S = 300


def programs(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.fixture
def workers(house: Services, client: Store) -> Iterator[None]:
    """Renders every job."""
    leases, is_over = LeaseStore(client, RULES), threading.Event()

    def work() -> None:
        while not is_over.wait(0.05):
            try:
                render_next(house, leases, PICTURE)
            except AssertionError:  # nothing waits
                continue

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()


_COMMANDS = {"js": ("node", "program.mjs"), "go": ("go", "run", "program.go"), "bash": ("bash", "program")}
_NEEDS = {"js": ("node",), "go": ("go",), "bash": ("bash", "curl", "jq")}
OTHERS = [(language, program) for language in _COMMANDS for program in programs("docs/clients.md", language)]
PYTHON = [
    program
    for page in ("README.md", "docs/clients.md", "docs/python_client.md")
    for program in programs(page, "python")
    # No batch worker runs here, and no API key exists.
    if "gridpress" in program and "batches" not in program and "client.keys" not in program
]


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize(("language", "program"), OTHERS, ids=[language for language, _ in OTHERS])
def test_a_printed_program_writes_the_picture(url: str, tmp_path: Path, language: str, program: str) -> None:
    for needed in _NEEDS[language]:
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
    command = _COMMANDS[language]
    (tmp_path / command[-1]).write_text(program)
    environment = {**os.environ, "GRIDPRESS_URL": url, "HOME": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fox.png").read_bytes() == PICTURE


def test_every_language_has_a_program() -> None:
    assert {language for language, _ in OTHERS} == set(_COMMANDS)


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("program", PYTHON)
def test_a_printed_python_program_gets_its_pictures(
    url: str, tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.setenv("GRIDPRESS_URL", url)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "program", "exec"), {})
    saved = [path for path in tmp_path.iterdir() if path.suffix == ".png"]
    printed = capsys.readouterr().out
    assert all(path.read_bytes() == PICTURE for path in saved)
    with_size = [line for line in printed.splitlines() if line.endswith(f" {len(PICTURE)}")]  # ids may have it too
    assert saved or len(with_size) == 3
