"""A ready file that a killed process left behind says nothing of its successor."""

from pathlib import Path

import pytest

from shared.process.ready_file import announce
from shared.process.starting import run_role
from shared.settings.settings import Settings


def test_a_role_deletes_the_ready_file_of_its_predecessor_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ready"
    announce(file, "worker-that-was-killed")
    monkeypatch.setenv("GRIDPRESS_READY_FILE", str(file))
    seen: list[bool] = []

    def look(settings: Settings) -> None:
        assert settings.ready_file == file
        seen.append(file.exists())

    run_role("upkeep", look)
    assert seen == [False]
