"""The commands around a batch: what they ask for and print."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import main
from tests.cli.batch.conftest import Batch
from tests.cli.batch.service import StubService, batch_answer, refusal
from tests.cli.stub_api import reply


def report(**changes: Any) -> dict[str, Any]:
    answer = {"total": 5, "valid": 5, "invalid": 0, "is_batch": True, "has_more": False, "warnings": []}
    answer |= {"num_pictures": 6, "cost": {"ar": 7, "dit": 8, "pixels": 9_000_000}, "eta_s": None}
    answer |= {"expected_end": None, "finish_by": None, "on_time": None}
    return answer | {"errors": {"object": "list", "data": []}} | changes


def bad(line: int | None, param: str | None = "size") -> dict[str, Any]:
    return {"code": "x", "message": "is wrong", "param": param, "line": line, "custom_id": None}


def test_batches_are_listed_with_their_counts(service: StubService, batch: Batch) -> None:
    listed = [batch_answer(), batch_answer(id="batch_2", paused=True)]
    service.before["GET /v1/batches"] = lambda: reply(200, {"data": listed})
    shown = batch("list").stdout
    assert all(part in shown for part in ("batch_1", "in_progress", "batch_2", "paused", "2026-01-01T00:00:00Z"))
    assert json.loads(batch("list", "--json").stdout) == {"data": listed}


def test_a_batch_is_shown_with_its_files_times_and_errors(service: StubService, batch: Batch) -> None:
    service.batch = batch_answer(status="failed", errors={"data": [bad(3)]}, output_file_id="file-9")
    shown = batch("show", "batch_1").stdout
    assert all(part in shown for part in ("2 of 5", "1 failed", "file-9", "created: 2026", "line 3: is wrong"))
    assert json.loads(batch("show", "batch_1", "--json").stdout) == service.batch


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_a_batch_is_changed_and_says_how_it_stands(service: StubService, batch: Batch, action: str) -> None:
    route = f"POST /v1/batches/batch_1/{action}"
    service.before[route] = lambda: reply(200, batch_answer(status="cancelling", paused=action == "pause"))
    assert batch(action, "batch_1").stdout == f"batch_1 {'paused' if action == 'pause' else 'cancelling'}\n"
    assert service.asked[route] == 1


def test_a_batch_takes_another_place_among_ones_own(service: StubService, batch: Batch) -> None:
    service.before["PATCH /v1/batches/batch_1"] = lambda: reply(200, batch_answer(priority="high", finish_by=None))
    told = batch("rank", "batch_1", "--priority", "high", "--finish-by", "none")
    assert (told.exit_code, told.stdout) == (0, "batch_1 in_progress  priority: high\n")
    assert batch("rank", "batch_1").exit_code == 2
    assert batch("rank", "batch_1", "--priority", "urgent").exit_code == 2


def test_a_refusal_is_told_in_the_services_words(service: StubService, batch: Batch) -> None:
    service.before["POST /v1/batches/batch_1/retry"] = lambda: refusal(409, "batch_1 has nothing to retry")
    result = batch("retry", "batch_1")
    assert (result.exit_code, result.stderr) == (1, "gridpress: batch_1 has nothing to retry\n")


def test_a_batch_is_deleted_unless_the_service_refuses(service: StubService, batch: Batch) -> None:
    route = "DELETE /v1/batches/batch_1"
    service.before[route] = lambda: refusal(409, "batch_1 is not over: cancel it first")
    result = batch("delete", "batch_1")
    assert (result.exit_code, result.stderr) == (1, "gridpress: batch_1 is not over: cancel it first\n")
    service.before[route] = lambda: (204, {}, b"")
    assert batch("delete", "batch_1").stdout == "batch_1 deleted\n"
    assert service.asked[route] == 2


@pytest.mark.parametrize("arguments", [("validate",), ("run", "--dry-run", "--out", "nowhere")])
def test_a_dry_run_tells_every_bad_line_and_leaves_nothing(
    service: StubService, batch: Batch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "p.jsonl").write_text('\n{"prompt": "a"}\n\n{"prompt": "b", "size": "1x1"}\n')
    errors = {"data": [bad(1, None), bad(2), bad(None, None)]}
    service.report = report(errors=errors, invalid=2, total=2, warnings=["slow"])
    result = batch(*arguments, tmp_path / "p.jsonl")
    assert result.exit_code == 1
    assert result.stdout == "line 2: is wrong\nline 4: size: is wrong\nis wrong\n"
    assert "warning: slow" in result.stderr
    assert "2 of 2 lines" in result.stderr
    assert (service.uploads, service.created) == ({}, [])
    assert not Path("nowhere").exists()


def test_a_file_that_is_fine_is_exit_status_0(service: StubService, batch: Batch, prompts: Path) -> None:
    service.report = report()
    result = batch("validate", prompts, "--size", "512x512")
    assert result.exit_code == 0
    assert all(part in result.stdout for part in ("pictures: 6", "7 decode steps", "expected end: unknown"))


def test_a_dry_run_warns_of_an_end_that_is_late(service: StubService, batch: Batch, prompts: Path) -> None:
    late = {"expected_end": "2026-01-05T10:00:00Z", "finish_by": "2026-01-05T09:00:00Z", "on_time": False}
    service.report = report(**late)
    result = batch("run", prompts, "--out", "nowhere", "--dry-run", "--finish-by", "2026-01-05T09:00:00Z")
    assert "expected end: 2026-01-05T10:00:00Z" in result.stdout
    assert result.stderr == "warning: that is later than 2026-01-05T09:00:00Z\n"


def test_a_file_that_is_no_batch_is_exit_status_1(service: StubService, batch: Batch, prompts: Path) -> None:
    service.report = report(is_batch=False, errors={"data": [bad(None)]})
    assert batch("validate", prompts).exit_code == 1


def test_a_picture_can_be_uploaded_for_lines_to_name(service: StubService, batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "mug.jpg").write_bytes(b"\xff\x00the bytes")
    assert CliRunner().invoke(main, ["files", "upload", str(tmp_path / "mug.jpg")]).stdout == "file-1\n"
    assert service.uploads == {"file-1": b"\xff\x00the bytes"}


def test_files_are_listed_and_deleted(service: StubService, batch: Batch, tmp_path: Path) -> None:
    file = {"id": "file-1", "purpose": "vision", "bytes": 9, "created_at": 1767225600, "expires_at": None}
    service.before["GET /v1/files"] = lambda: reply(200, {"data": [file | {"filename": "mug.jpg"}]})
    shown = CliRunner().invoke(main, ["files", "list"]).stdout
    assert all(part in shown for part in ("file-1", "vision", "mug.jpg"))
    service.uploads["file-1"] = b""
    assert CliRunner().invoke(main, ["files", "delete", "file-1"]).stdout == "file-1 deleted\n"


def test_the_defaults_of_a_batch_are_named_as_options(service: StubService, batch: Batch, prompts: Path) -> None:
    body = {"error": {"message": "defaults.size must be 512x512", "param": "defaults.size"}}
    service.before["POST /v1/batches"] = lambda: reply(400, body)
    result = batch("run", prompts, "--out", prompts.parent / "out", "--size", "big")
    assert result.stderr.splitlines()[-1] == "gridpress: --size must be 512x512"
