"""`gridpress batch run`, ended at every point: the same command goes on, and nothing happens twice."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cli.batch.client import BatchClient
from cli.batch.results.file import Results
from cli.batch.state import StateFile
from tests.cli.batch.conftest import Batch, pictures, results
from tests.cli.batch.service import StubService
from tests.cli.batch.test_run import ALL


class _PowerCut(BaseException):
    """What no code of ours can clean up after."""


def ends(
    monkeypatch: pytest.MonkeyPatch, where: tuple[type, str], nth: int, how: type[BaseException], *, is_after: bool
) -> None:
    """The nth call of a method raises, before it did anything or when all is done."""
    owner, name = where
    method: Callable[..., Any] = getattr(owner, name)
    calls = iter(range(1, 1000))

    def ending(*arguments: Any, **named: Any) -> Any:
        is_it = next(calls) == nth
        if is_it and not is_after:
            raise how
        answer = method(*arguments, **named)
        if is_it:
            raise how
        return answer

    monkeypatch.setattr(owner, name, ending)


@pytest.mark.parametrize("how", [KeyboardInterrupt, _PowerCut])
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "method", "nth"),
    [
        (StateFile, "write", 1),
        (BatchClient, "upload", 1),
        (StateFile, "write", 2),
        (BatchClient, "create", 1),
        (StateFile, "write", 3),
        (BatchClient, "batch", 1),
        (BatchClient, "results", 2),
        (BatchClient, "picture", 3),
        (Results, "record", 2),
        (Results, "settle", 1),
    ],
)
def test_the_same_command_goes_on(
    service: StubService,
    batch: Batch,
    prompts: Path,
    out: Path,
    owner: type,
    method: str,
    nth: int,
    is_after: bool,
    how: type[BaseException],
) -> None:
    with pytest.MonkeyPatch.context() as once:
        ends(once, (owner, method), nth, how, is_after=is_after)
        with suppress(_PowerCut):
            assert batch("run", prompts, "--out", out).exit_code == 1
    result = batch("run", prompts, "--out", out)
    assert result.exit_code == 0, result.output
    assert pictures(out) == ALL
    assert len(results(out)) == len(ALL)
    assert len(service.created) == 1
    assert len(service.uploads) == 1
    was_lost = method == "picture" and is_after  # fetched, and never written
    assert sum(service.num_fetches().values()) == len(ALL) + was_lost


def test_ctrl_c_leaves_the_batch_and_says_how_to_go_on(
    service: StubService, batch: Batch, prompts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(monkeypatch, (BatchClient, "results"), 1, KeyboardInterrupt, is_after=True)
    result = batch("run", prompts, "--out", out)
    assert result.exit_code == 1
    assert "batch_1 goes on" in result.stderr
    assert "gridpress batch cancel batch_1" in result.stderr
    assert service.batch["status"] == "in_progress"


def test_ctrl_c_can_cancel_the_batch(
    service: StubService, batch: Batch, prompts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(monkeypatch, (BatchClient, "results"), 1, KeyboardInterrupt, is_after=True)
    result = batch("run", prompts, "--out", out, "--cancel-on-interrupt")
    assert result.exit_code == 1
    assert "batch_1 is cancelled" in result.stderr
    assert service.batch["status"] == "cancelled"


def test_a_signal_between_pictures_ends_a_process_in_order(service: StubService, prompts: Path, out: Path) -> None:
    looked = threading.Event()
    service.per_look = 1

    def look() -> None:
        if len(service.ended) == 2:
            service.per_look = 0
            looked.set()

    service.before["GET /v1/batches/batch_1"] = look
    command = [sys.executable, "-m", "cli.main", "batch", "run", str(prompts), "--out", str(out), "--url", service.url]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert looked.wait(30)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert "batch_1 goes on" in said
    assert "Traceback" not in said


def test_two_runs_do_not_share_a_folder(service: StubService, batch: Batch, prompts: Path, out: Path) -> None:
    def second() -> None:
        del service.before["GET /v1/batches/batch_1/results"]
        told.append(run_of_a_process(prompts, out, service.url))

    told: list[str] = []
    service.before["GET /v1/batches/batch_1/results"] = second
    assert batch("run", prompts, "--out", out).exit_code == 0
    assert "another `gridpress batch run` is at work" in told[0]


def run_of_a_process(prompts: Path, out: Path, url: str) -> str:
    command = [sys.executable, "-m", "cli.main", "batch", "run", str(prompts), "--out", str(out), "--url", url]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ}).stderr
