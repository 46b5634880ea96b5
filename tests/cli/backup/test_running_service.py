"""A backup of embedded servers uses those that `gridpress up` runs in the data folder."""

from pathlib import Path

import pytest

from cli.stack.lock import folder_lock
from shared.ids import ObjectKey
from tests.cli.backup.source import objects_of, run, served, use_embedded


def test_embedded_servers_are_backed_up_while_the_service_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_embedded(monkeypatch)
    with folder_lock(tmp_path / "data"):
        nothing = run("backup", tmp_path / "early", "--data", tmp_path / "data")
        assert (nothing.exit_code, nothing.stderr.count("\n")) == (3, 1)
        assert "is served already" in nothing.stderr, "the servers have not written their addresses yet"
        with served(tmp_path / "data") as (client, objects):
            client.set("gridpress:a", "1")
            objects.put(ObjectKey("jobs/job_x/manifest.json"), b"{}", "application/json")
            made = run("backup", tmp_path / "backup", "--data", tmp_path / "data")
            assert made.exit_code == 0, made.output
            refused = run("restore", tmp_path / "backup", "--data", tmp_path / "data")
            assert (refused.exit_code, "not empty" in refused.stderr) == (3, True)
    restored = run("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert restored.exit_code == 0, restored.output
    with served(tmp_path / "new") as (client, objects):
        assert client.get("gridpress:a") == "1"
        assert objects_of(objects) == {"jobs/job_x/manifest.json": b"{}"}
