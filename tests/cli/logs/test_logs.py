"""`gridpress logs` shows what all roles did, in order of time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.errors import Unavailable
from cli.logs.files import LogFile, LogFolder
from tests.cli.conftest import Run


def line(second: int, event: str, **fields: object) -> str:
    return json.dumps({"event": event, **fields, "timestamp": f"2026-01-01T00:00:{second:02}Z"}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "api-0.log.1").write_text(line(1, "api.listening"))
    (run_dir / "api-0.log").write_text(line(2, "job.accepted", job_id="job_1", request_id="req_1", role="api"))
    (run_dir / "dit-0.log").write_text(
        line(4, "render.finished", job_id="job_1", request_id="req_1", stage="dit") + line(5, "worker.ready")
    )
    (run_dir / "ar-0.log").write_text(line(3, "render.finished", job_id="job_1", request_id="req_1", stage="ar"))
    (run_dir / "valkey-0.log").write_text("1234:M * Ready to accept connections\n")
    (run_dir / "dit-0.pid").write_text("17\n")
    return tmp_path


def events(run: Run, *arguments: object) -> list[str]:
    found = [json.loads(text) for text in run("logs", "--json", *arguments).stdout.splitlines()]
    return [f"{each['event']} {each.get('stage', '')}".strip() for each in found]


def test_the_events_of_all_roles_are_merged_by_time(run: Run, folder: Path) -> None:
    story = ["job.accepted", "render.finished ar", "render.finished dit"]
    assert events(run, "--data", folder) == ["api.listening", *story, "worker.ready"]
    assert events(run, "--data", folder, "--lines", 1) == ["worker.ready"]
    assert events(run, "--data", folder, "--request-id", "req_1") == story
    assert events(run, "--data", folder, "--job", "job_1", "--request-id", "req_1", "--lines", 0) == story
    assert events(run, "--data", folder, "--job", "job_2") == []


def test_only_the_events_of_some_roles_are_shown(run: Run, folder: Path) -> None:
    assert events(run, "dit", "--data", folder) == ["render.finished dit", "worker.ready"]
    assert events(run, "api", "ar-0", "--data", folder) == ["api.listening", "job.accepted", "render.finished ar"]


@pytest.mark.parametrize(
    ("role", "said"),
    [("gpu", "there are: api, ar, dit, valkey"), ("dit-1", "no process dit-1"), ("valkey", "valkey-0.log")],
)
def test_a_role_without_a_log_of_events_is_a_wrong_command_line(run: Run, folder: Path, role: str, said: str) -> None:
    result = run("logs", role, "--data", folder)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_a_job_may_be_named_by_a_beginning_or_as_the_last(run: Run, folder: Path) -> None:
    story = ["job.accepted", "render.finished ar", "render.finished dit"]
    assert events(run, "--job", "job_", "--data", folder) == story
    (folder / "run" / "ar-1.log").write_text(line(6, "render.claimed", job_id="job_2"))
    assert events(run, "--job", "@last", "--data", folder) == ["render.claimed"]


def test_lines_are_readable_and_cannot_write_to_the_terminal(run: Run, folder: Path) -> None:
    (folder / "run" / "upkeep-0.log").write_text(line(9, "upkeep.rescued", error="\x1b[2Jforged"))
    shown = run("logs", "--data", folder).output
    assert "render.finished" in shown
    assert "stage=dit" in shown
    assert "{" not in shown
    assert "\x1b[2J" not in shown


def test_no_line_stops_the_command_or_writes_to_the_terminal(run: Run, folder: Path) -> None:
    odd = [
        line(6, "job.failed", error="half \ud800 of a pair, \x9b31mred"),
        line(7, "job.odd", **{"\x1b[31mname": 1}),
        line(8, "job.number", level=7),
        line(8, "job.error", exception=5),
        '{"timestamp": 5, "event": "job.time"}\n',
    ]
    (folder / "run" / "upkeep-0.log").write_text("".join(odd))
    for options in ([], ["--json"]):
        result = run("logs", "--data", folder, *options)
        assert result.exit_code == 0
        assert "job.failed" in result.output
        assert "job.odd" in result.output
        assert "\x9b" not in result.output
        assert "\x1b[31m" not in result.output


def test_a_folder_without_logs_is_said(run: Run, tmp_path: Path) -> None:
    result = run("logs", "--data", tmp_path)
    assert result.exit_code == 3
    assert "--data" in result.output


def test_that_nothing_was_found_is_said_on_stderr(run: Run, folder: Path, tmp_path: Path) -> None:
    result = run("logs", "--data", folder, "--job", "job_2", "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "job_id=job_2" in result.stderr
    for file in (folder / "run").iterdir():
        file.unlink()
    assert "no events in" in run("logs", "--data", folder).stderr


def test_a_log_that_cannot_be_read_fails_in_one_line(folder: Path) -> None:
    path = folder / "run" / "batch-0.log"
    path.mkdir()  # root may read every file, so a folder stands for one without permission
    with pytest.raises(Unavailable, match=r"batch-0\.log can't be read: Is a directory"):
        list(LogFile(path).read())


def test_a_broken_line_is_passed_over(run: Run, folder: Path) -> None:
    with (folder / "run" / "ar-0.log").open("ab") as end:
        end.write(b'{"event": "torn\n\xff\xfe\n[1]\n"text"\n{}\n' + line(6, "worker.stopped").encode())
    assert events(run, "--data", folder, "--lines", 1) == ["worker.stopped"]


def test_what_is_written_later_is_read_once_also_after_a_cut(folder: Path) -> None:
    logs, file = LogFolder(folder / "run"), folder / "run" / "dit-0.log"
    assert len(list(logs.read({}))) == 5
    with file.open("a") as end:
        end.write(line(6, "render.claimed") + '{"event": "half')
    assert [each["event"] for each in logs.read({})] == ["render.claimed"]
    with file.open("a") as end:
        end.write('", "timestamp": "2026-01-01T00:00:07Z"}\n')
    assert [each["event"] for each in logs.read({})] == ["half"]
    file.write_text(line(8, "after.cut"))
    (folder / "run" / "dit-1.log").write_text(line(9, "worker.ready"))
    assert [each["event"] for each in logs.read({})] == ["after.cut", "worker.ready"]
    assert list(logs.read({})) == []


def test_following_shows_what_comes(folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "cli.main", "logs", "--follow", "--json", "--data", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as shown:
        try:
            assert shown.stdout
            assert [json.loads(shown.stdout.readline())["event"] for _ in range(5)][-1] == "worker.ready"
            with (folder / "run" / "ar-0.log").open("a") as end:
                end.write(line(7, "worker.stopped"))
            assert json.loads(shown.stdout.readline())["event"] == "worker.stopped"
            shown.send_signal(signal.SIGINT)
            assert shown.wait(30) == 0
        finally:
            shown.kill()  # else the block would wait for it for ever
