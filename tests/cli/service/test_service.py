"""`gridpress status`, `ps`, `stop` and `up --detach`: what they find out about a service, and how they end it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.service.running import running_url, supervisor_pid, write_address
from cli.stack.lock import folder_lock
from cli.stack.ports import free_ports
from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, reply
from tests.cli.waiting import eventually, is_alive

READY = {
    "status": "ok", "checks": {"store": "ok", "object_store": "ok"}, "intake": "ok", "access": "open", "stalled": [],
    "store_loss": None, "stages": {"ar": {"workers": 1, "slots": 4}, "dit": {"workers": 2, "slots": 4}},
}  # fmt: skip
LOAD = {"workers": 1, "slots": 4, "running": 3, "waiting": 7, "backlog_s": 41.6}
HOLDER = """
import sys, time, pathlib, signal
from cli.stack.lock import folder_lock
with folder_lock(pathlib.Path(sys.argv[1])):
    print(flush=True)
    signal.pause()
"""


def serve(api: StubApi, **changes: object) -> None:
    status = 503 if changes.get("status") == "unavailable" else 200
    api.routes["GET /readyz"] = lambda: reply(status, READY | changes)
    api.routes["GET /v1/stats"] = lambda: reply(200, {"stages": {"ar": LOAD, "dit": LOAD | {"backlog_s": None}}})


def test_a_service_is_found_by_the_lock_of_its_folder(tmp_path: Path) -> None:
    assert supervisor_pid(tmp_path) is None
    with folder_lock(tmp_path):
        write_address(tmp_path / "run", "http://127.0.0.1:8123")
        assert supervisor_pid(tmp_path) == os.getpid()
        assert running_url(tmp_path) == "http://127.0.0.1:8123"
    assert (tmp_path / "run" / "lock").read_text()
    assert supervisor_pid(tmp_path) is running_url(tmp_path) is None


def test_status_shows_the_load_of_both_stages(api: StubApi, run: Run) -> None:
    serve(api)
    result = run("status")
    assert result.exit_code == 0
    assert f"{api.url}: ready\naccess: open: no API key exists yet\n" in result.stdout
    assert "AR\t1\t4\t3\t7\t42 s\nDiT\t1\t4\t3\t7\t\n" in result.stdout
    shown = json.loads(run("status", "--json").stdout)
    assert (shown["ready"], shown["stats"]["stages"]["ar"]) == (READY, LOAD)


def test_status_asks_the_service_of_the_folder(
    api: StubApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(api)
    monkeypatch.delenv("GRIDPRESS_URL")
    with folder_lock(tmp_path):
        write_address(tmp_path / "run", api.url)
        assert f"{api.url} (process {os.getpid()}): ready" in run("status", "--data", tmp_path).stdout


def test_a_service_that_is_not_ready_is_status_1_with_the_fault(api: StubApi, run: Run) -> None:
    serve(api, status="unavailable", checks={"store": "ok", "object_store": "object_store_unavailable"})
    del api.routes["GET /v1/stats"]
    result = run("status")
    assert (result.exit_code, result.stderr) == (1, "gridpress: not ready: object store object_store_unavailable\n")
    assert "DiT\t2\t4" in result.stdout


def test_workers_are_listed_with_what_they_render(api: StubApi, run: Run) -> None:
    held = {"job_id": "job_1", "index": 2, "since": "2026-01-01T00:00:00.000Z", "progress": {"done": 7, "total": 50}}
    worker = {"id": None, "stage": "dit", "device": "cpu", "slots": 2, "num_held": 1, "step_s": 0.25, "held": [held]}
    sizes = [{"picture": "1024x1024", "conditions": "1024x1024"}, {"picture": "2048x2048", "conditions": None}]
    of_earlier_release = worker | {"stage": "ar", "held": [], "is_draining": False}
    found = {"data": [worker | {"is_draining": True, "sizes": sizes}, of_earlier_release], "total": 2}
    api.routes["GET /v1/workers"] = lambda: reply(200, found)
    assert run("ps").stdout == (
        "DiT\tcpu (draining)\t2\t1\t2048x2048\t0.25\t\tjob_1:2 7/50\nAR\tcpu\t2\t1\t\t0.25\t\t\n"
    )
    assert json.loads(run("ps", "--json").stdout) == found


def test_processes_are_listed_while_their_service_runs(run: Run, tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        for name in ("dit-0", "valkey-0", "api-0"):
            (tmp_path / "run" / f"{name}.pid").write_text(f"{os.getpid()}\n")
        (tmp_path / "run" / "ar-0.pid").write_text(f"{2**22}\n")  # ended, and killed before it could remove the file
        (tmp_path / "run" / "dit-0.ready").write_text("dit-host-1-abc")
        rows = [line.split("\t") for line in run("ps", "--processes", "--data", tmp_path).stdout.splitlines()]
        shown = json.loads(run("ps", "--processes", "--data", tmp_path, "--json").stdout)
    assert [row[:3] for row in rows] == [
        [name, str(os.getpid()), state]
        for name, state in (("api-0", "starting"), ("dit-0", "ready"), ("valkey-0", "ready"))
    ]
    assert [each["worker_id"] for each in shown] == [None, "dit-host-1-abc", None]
    assert all(each["memory_bytes"] > 0 for each in shown)


@pytest.mark.parametrize("command", [("ps", "--processes"), ("stop",)])
def test_without_a_service_there_is_nothing_to_list_or_stop(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    result = run(*command, "--data", tmp_path)
    assert result.exit_code == 3
    assert f"no service runs with the data folder {tmp_path}" in result.stderr
    assert not (tmp_path / "run").exists()


def test_stop_ends_the_service_and_waits_for_it(run: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout
            holder.stdout.readline()
            result = run("stop", "--data", tmp_path)
            assert (result.exit_code, result.stdout) == (0, f"process {holder.pid} has ended\n")
            assert holder.wait(30) < 0
        finally:
            holder.kill()


def standin_for_python(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(path))


# The process outlives the object that started it, which is what was asked for.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_detached_service_is_ready_when_the_command_ends(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'echo "$@" > {tmp_path}/arguments; echo $$ > {tmp_path}/pid; touch $GRIDPRESS_READY_FILE; exec sleep 60'
    standin_for_python(tmp_path / "python", script, monkeypatch)
    port = free_ports(1)[0]
    result = run("up", "--detach", "--port", port, "--data", tmp_path / "data", "--ar-workers", 2)
    pid = int((tmp_path / "pid").read_text())
    try:
        assert (result.exit_code, is_alive(pid)) == (0, True)
        assert result.stdout == (
            f"Gridpress is ready at http://127.0.0.1:{port}  "
            f"(process {pid}; stop it: gridpress stop --data {tmp_path}/data)\n"
        )
        typed = (tmp_path / "arguments").read_text().split()
        assert typed[:4] == ["-P", "-m", "cli.main", "up"]
        assert set(typed[4:]) == {"--port", str(port), "--data", f"{tmp_path}/data", "--ar-workers", "2"}
    finally:
        os.kill(pid, 9)
        eventually(lambda: not is_alive(pid))


def test_a_detached_service_that_does_not_start_says_why(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin_for_python(tmp_path / "python", "echo 'gridpress: no checkpoint'; exit 3", monkeypatch)
    result = run("up", "--detach", "--port", free_ports(1)[0], "--data", tmp_path / "data")
    assert result.exit_code == 3
    assert result.stderr.endswith("the service did not start:\n  gridpress: no checkpoint\n")
