"""`gridpress render`, `fetch`, `watch` and `open`: options, the wait, Ctrl-C, and where pictures go."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import client
from cli.jobs.progress import outlook
from cli.main import main
from tests.cli.conftest import Run
from tests.cli.jobs.test_client_commands import PICTURE, serve_render
from tests.cli.stub_api import StubApi, finished, job, reply

QUEUE = {"stage": "ar", "position": 3, "eta_s": 12.4, "unserved": []}
WAITING = job(queue=QUEUE, eta_s=40.0)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(click, "launch", lambda path: found.append(path) or 0)
    return found


def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client.time, "sleep", interrupt)


@pytest.mark.parametrize(
    ("jobs", "line"),
    [
        ([WAITING], "waits: 3 pictures before it in the AR queue, done in about 12 s"),
        ([WAITING | {"queue": QUEUE | {"eta_s": None}}], "waits: 3 pictures before it in the AR queue"),
        ([WAITING | {"queue": QUEUE | {"position": 0}}], "waits: next in the AR queue, done in about 12 s"),
        (
            [WAITING | {"queue": QUEUE | {"unserved": ["ar", "dit"]}}],
            "waits: no AR worker and no DiT worker with the model of this job is running",
        ),
        (
            [WAITING | {"queue": QUEUE | {"unserved": ["dit"], "reason": "no live worker can render 2048x2048"}}],
            "waits: no live worker can render 2048x2048",
        ),
        ([WAITING | {"queue": QUEUE | {"position": 0, "eta_s": None}}], "waits: next in the AR queue"),
        ([WAITING | {"queue": QUEUE | {"position": 1, "eta_s": None}}], "waits: 1 picture before it in the AR queue"),
        ([job(waiting_for="object_store")], "waits: the service can't store pictures now"),
        ([job(status="running", eta_s=240.0)], "about 4 min left"),
        ([job(status="running", eta_s=7200.0)], "about 2 h left"),
        ([finished(), job(eta_s=3)], "about 3 s left"),
        ([job()], ""),
        ([finished()], ""),
    ],
)  # fmt: skip
def test_what_a_job_waits_for_is_one_line(jobs: list[dict[str, object]], line: str) -> None:
    assert outlook(jobs) == line


def test_a_waiting_render_tells_its_place(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    states = iter([WAITING, job(status="running", stage="dit"), finished()])
    api.routes["GET /v1/jobs/job_1"] = lambda: reply(200, next(states))
    stderr = run("render", "a fox", "--out", tmp_path).stderr
    assert "job_1 queued; waits: 3 pictures before it in the AR queue, done in about 12 s\n" in stderr
    assert "job_1 running, DiT stage\n" in stderr
    assert "DiT denoise steps" in stderr


def test_quiet_prints_only_paths(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    result = run("render", "a fox", "--quiet", "--out", tmp_path)
    assert (result.stdout, result.stderr) == (f"{tmp_path}/job_1.png\n", "")


def test_further_options_become_fields_of_the_api(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    run("render", "a", "--quality", "fast", "--priority", "batch", "--webhook", "https://a.example/", "--out", tmp_path)
    sent = api.sent("POST /v1/jobs")[0]
    assert (sent["quality"], sent["priority"], sent["webhook_url"]) == ("fast", "batch", "https://a.example/")


def test_json_is_the_ended_job_and_paths_are_on_stderr(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    result = run("render", "a fox", "--json", "--out", tmp_path)
    assert json.loads(result.stdout) == finished()
    assert f"{tmp_path}/job_1.png" in result.stderr


@pytest.mark.parametrize("arguments", [("-",), ()])
def test_a_prompt_may_come_from_stdin(
    api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    serve_render(api)
    result = CliRunner().invoke(main, ["render", *arguments, "--out", "-", "--quiet"], input="ein Fuchs, größer\n")
    assert api.sent("POST /v1/jobs")[0]["prompt"] == "ein Fuchs, größer"
    assert result.stdout_bytes == PICTURE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "fox.gif"), ".gif is no format; use .png, .webp, .jpg or .jpeg"),
        (("--out", "fox.png", "--format", "webp"), "asks for png and --format for webp"),
        (("--out", "-", "--json"), "--out - writes one picture"),
        (("--out", "-", "--n", "2"), "--out - writes one picture"),
        (("--out", "/proc/none/"), "can't be created"),
    ],
)
def test_a_destination_that_cannot_be_is_refused_before_anything_is_rendered(
    api: StubApi, run: Run, arguments: tuple[str, ...], said: str
) -> None:
    result = run("render", "a fox", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert api.requests == []


def test_ctrl_c_tells_how_to_go_on(api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_render(api)
    interrupted(monkeypatch)
    result = run("render", "a fox")
    assert result.exit_code == 1
    assert "job_1 goes on: `gridpress fetch job_1`" in result.stderr
    assert api.sent("POST /v1/jobs/job_1/cancel") == []


def test_ctrl_c_cancels_where_that_was_asked(api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_render(api)
    api.routes["POST /v1/jobs/job_1/cancel"] = lambda: reply(200, job(status="cancelled"))
    interrupted(monkeypatch)
    result = run("render", "a fox", "--cancel-on-interrupt")
    assert (result.exit_code, "interrupted: job_1 cancelled" in result.stderr) == (1, True)
    assert len(api.sent("POST /v1/jobs/job_1/cancel")) == 1


def test_pictures_are_fetched_later(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    result = run("fetch", "job_1", "--out", tmp_path / "fox.png")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/fox.png\n")
    assert (tmp_path / "fox.png").read_bytes() == PICTURE


def test_fetching_several_jobs_needs_a_folder(api: StubApi, run: Run, tmp_path: Path) -> None:
    assert run("fetch", "job_1", "job_2", "--out", tmp_path / "a.png").exit_code == 2
    assert api.requests == []


def test_fetching_may_leave_out_what_is_not_finished(api: StubApi, run: Run, tmp_path: Path) -> None:
    api.routes["GET /v1/jobs/job_1"] = lambda: reply(200, job(status="running", stage="ar"))
    result = run("fetch", "job_1", "--no-wait", "--out", tmp_path)
    assert (result.exit_code, result.output) == (0, "")


def test_watching_ends_with_the_jobs_and_tells_which_failed(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/jobs/job_1"] = lambda: reply(200, finished())
    failed = finished("job_2", status="failed", error={"message": "out of memory"})
    states = iter([job("job_2"), failed])
    api.routes["GET /v1/jobs/job_2"] = lambda: reply(200, next(states))
    result = run("watch", "job_1", "job_2", "job_1")
    assert (result.exit_code, result.stdout) == (1, "job_1 succeeded\njob_2 failed\n")
    assert result.stderr.endswith("gridpress: job_2 failed: out of memory\n")


def test_a_picture_is_opened_from_a_file(api: StubApi, run: Run, opened: list[str]) -> None:
    serve_render(api)
    api.routes["GET /v1/jobs/job_1"] = lambda: reply(200, finished())
    result = run("open", "job_1")
    assert result.stdout.split() == opened
    assert Path(opened[0]).read_bytes() == PICTURE


def test_a_job_without_pictures_cannot_be_opened(api: StubApi, run: Run, opened: list[str]) -> None:
    api.routes["GET /v1/jobs/job_1"] = lambda: reply(200, job())
    result = run("open", "job_1")
    assert (result.exit_code, opened) == (1, [])
    assert "it is queued" in result.stderr


def test_where_nothing_opens_pictures_the_file_is_named(
    api: StubApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_render(api)
    monkeypatch.setattr(click, "launch", lambda _: 1)
    result = run("render", "a fox", "--open", "--out", tmp_path)
    assert (result.exit_code, f"the picture is {tmp_path}/job_1.png" in result.stderr) == (1, True)
