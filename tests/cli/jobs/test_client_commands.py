"""The commands that talk to the API: what they send, print, write, and how they end."""

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.stack.ports import free_ports
from shared.access.keys import new_key
from shared.demo_model import NOTE
from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, finished, job, problem, reply

PICTURE = b"the bytes of a picture"


def serve_render(api: StubApi, n: int = 1, **changes: object) -> None:
    states = iter([job(status="running", n=n), finished(n=n, **changes)])
    api.routes["POST /v1/jobs"] = lambda: reply(202, job(n=n))
    api.routes["GET /v1/jobs/job_1"] = lambda: reply(200, next(states))
    for index in range(n):
        # The API redirects to its object store, as the real one does.
        api.routes[f"GET /v1/jobs/job_1/images/{index}"] = lambda i=index: (302, {"location": f"/s3/{i}"}, b"")
        api.routes[f"GET /s3/{index}"] = lambda: (200, {}, PICTURE)


def test_render_sends_what_was_asked_and_nothing_else(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    run("render", "a fox", "--size", "512x256", "--seed", 0, "--steps", 5, "--guidance", 2, "--out", tmp_path)
    assert api.sent("POST /v1/jobs") == [
        {
            "prompt": "a fox",
            "size": "512x256",
            "seed": 0,
            "num_inference_steps": 5,
            "guidance_scale": 2.0,
            "n": 1,
            "output_format": "png",
        }
    ]


def test_render_leaves_defaults_to_the_api(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    run("render", "a fox", "--out", tmp_path)
    assert api.sent("POST /v1/jobs") == [{"prompt": "a fox", "n": 1, "output_format": "png"}]


def test_render_asks_for_an_enhanced_prompt(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    run("render", "a fox", "--enhance-prompt", "--out", tmp_path)
    assert api.sent("POST /v1/jobs")[0]["enhance_prompt"] is True


def test_render_asks_for_a_visible_mark_and_for_reuse(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    run("render", "a fox", "--visible-mark", "--reuse", "--seed", "7", "--out", tmp_path)
    assert api.sent("POST /v1/jobs")[0].items() >= {"visible_mark": True, "reuse": True, "seed": 7}.items()


def test_render_sends_pictures_as_data_urls_in_order(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    for name in ("b.png", "a.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    run("render", "both", "--image", tmp_path / "b.png", "--image", tmp_path / "a.jpg", "--out", tmp_path)
    expected = [f"data:image/{kind};base64,{base64.b64encode(name).decode()}"
                for kind, name in (("png", b"b.png"), ("jpeg", b"a.jpg"))]  # fmt: skip
    assert api.sent("POST /v1/jobs")[0]["images"] == expected


def test_render_writes_the_picture_and_prints_its_path(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    result = run("render", "a fox", "--out", tmp_path / "new" / "fox.png")
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path}/new/fox.png\n"
    assert (tmp_path / "new" / "fox.png").read_bytes() == PICTURE


def test_render_says_once_what_the_demonstration_model_knows(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api, n=2, revision="demo-0123456789ab")
    result = run("render", "a fox", "--n", 2, "--out", tmp_path / "fox.png")
    assert result.stdout == f"{tmp_path}/fox-0.png\n{tmp_path}/fox-1.png\n"
    assert result.stderr.count(NOTE) == 1
    assert "\n" not in NOTE


@pytest.mark.parametrize("changes", [{"revision": "0123456789ab"}, {"revision": None}, {}], ids=str)
def test_render_says_nothing_of_another_model(
    api: StubApi, run: Run, tmp_path: Path, changes: dict[str, str | None]
) -> None:
    serve_render(api, **changes)
    assert "demonstration" not in run("render", "a fox", "--out", tmp_path).stderr


def test_render_into_a_folder_names_files_after_the_job(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    assert run("render", "a fox", "--out", tmp_path).stdout == f"{tmp_path}/job_1.png\n"


def test_render_makes_the_folder_that_a_slash_asks_for(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    run("render", "a fox", "--out", f"{tmp_path}/new/")
    assert (tmp_path / "new" / "job_1.png").read_bytes() == PICTURE


def test_a_picture_that_cannot_be_written_is_one_line_that_names_its_job(
    api: StubApi, run: Run, tmp_path: Path
) -> None:
    serve_render(api)
    (tmp_path / "file").touch()
    result = run("render", "a fox", "--out", tmp_path / "file" / "fox.png")
    assert result.exit_code == 1
    [line] = [line for line in result.stderr.splitlines() if line.startswith("gridpress:")]
    assert "job_1" in line


def test_a_prompt_that_is_not_utf8_is_refused_in_one_line(run: Run) -> None:
    result = run("render", "a fo\udcff")
    assert (result.exit_code, result.stderr) == (1, "gridpress: the request holds text that is not UTF-8\n")


def test_render_numbers_several_pictures(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api, n=3)
    run("render", "foxes", "--n", 3, "--out", tmp_path / "fox.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fox-0.png", "fox-1.png", "fox-2.png"]


@pytest.mark.parametrize(("name", "expected"), [("a.webp", "webp"), ("a.jpg", "jpeg"), ("a.PNG", "png"), ("a", "png")])
def test_render_takes_the_format_from_the_file(
    api: StubApi, run: Run, tmp_path: Path, name: str, expected: str
) -> None:
    serve_render(api)
    run("render", "a fox", "--out", tmp_path / name)
    assert api.sent("POST /v1/jobs")[0]["output_format"] == expected


def test_a_failed_job_is_exit_status_1_and_says_why(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api, status="failed", error={"message": "the grid collapsed"})
    result = run("render", "a fox", "--out", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.endswith("gridpress: job_1 failed: the grid collapsed\n")


def test_a_refused_request_is_exit_status_1_in_the_apis_words(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/jobs"] = lambda: problem(400, "width must be a multiple of 32, not 500")
    result = run("render", "a fox", "--size", "500x512")
    assert (result.exit_code, result.stderr) == (1, "gridpress: width must be a multiple of 32, not 500\n")


def test_an_outage_behind_the_api_is_exit_status_3(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/jobs"] = lambda: problem(503, "the job store does not answer; try again")
    assert run("render", "a fox").exit_code == 3


def test_a_service_that_is_not_ours_is_exit_status_3(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/jobs/job_1"] = lambda: (200, {}, b"<html>hello</html>")
    result = run("job", "job_1")
    assert result.exit_code == 3
    assert "is it another service?" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("render", "a fox"), ("jobs",), ("job", "x"), ("cancel", "x"), ("webhooks", "secret")]
)
def test_nothing_listening_is_exit_status_3_and_names_the_way_out(arguments: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    result = CliRunner().invoke(main, [*arguments, "--url", url])
    assert result.exit_code == 3
    assert f"nothing answers at {url}" in result.stderr
    assert "gridpress up" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_api_on_this_machine_is_never_asked_through_a_proxy(
    api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_ports(1)[0]}")
    api.routes["GET /v1/jobs/job_1"] = lambda: reply(200, job())
    assert run("job", "job_1").exit_code == 0


def test_waiting_survives_an_api_that_restarts(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    outage = iter([problem(503, "starting"), problem(503, "starting"), reply(200, finished())])
    api.routes["GET /v1/jobs/job_1"] = lambda: next(outage)
    assert run("render", "a fox", "--out", tmp_path).exit_code == 0


def test_a_broken_download_leaves_no_file(api: StubApi, run: Run, tmp_path: Path) -> None:
    serve_render(api)
    api.routes["GET /s3/0"] = lambda: (500, {}, b"")
    assert run("render", "a fox", "--out", tmp_path / "fox.png").exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_jobs_shows_every_job_with_its_whole_id(api: StubApi, run: Run) -> None:
    ids = [f"job_01k9e4m3c6x2s8q5v7w1t0z9a{digit}" for digit in "ab"]
    api.routes["GET /v1/jobs?limit=2&status=queued"] = lambda: reply(200, {"data": [job(job_id) for job_id in ids]})
    result = run("jobs", "--limit", 2, "--status", "queued")
    assert all(job_id in result.stdout for job_id in ids)


def test_jobs_prints_prompts_as_they_are(api: StubApi, run: Run) -> None:
    prompt = "[/] [bold]sign[/bold] :cat:"
    api.routes["GET /v1/jobs?limit=20"] = lambda: reply(200, {"data": [job(prompt=prompt)]})
    assert prompt in run("jobs").stdout


def test_jobs_as_json_is_the_apis_own(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/jobs?limit=20"] = lambda: reply(200, {"data": [job()]})
    assert json.loads(run("jobs", "--json").stdout) == {"data": [job()]}


def test_job_shows_its_pictures_times_and_errors(api: StubApi, run: Run) -> None:
    mixed = finished(n=2)
    mixed["images"][1] |= {"status": "failed", "url": None, "error": {"message": "out of memory"}}
    api.routes["GET /v1/jobs/job_1"] = lambda: reply(200, mixed)
    shown = run("job", "job_1").stdout
    assert all(part in shown for part in ("a fox", "1.5", "2.5", "/images/0", "out of memory"))
    assert json.loads(run("job", "job_1", "--json").stdout) == mixed


def test_cancel_says_how_the_job_stands(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/jobs/job_1/cancel"] = lambda: reply(200, job(status="cancelled"))
    assert run("cancel", "job_1").stdout == "job_1 cancelled\n"


@pytest.mark.parametrize("typed", ["../jobs", "a?limit=1", "#", "\udcff"])
def test_what_is_no_job_id_asks_for_no_other_page(api: StubApi, run: Run, typed: str) -> None:
    for page in ("GET /v1/jobs", "GET /v1/jobs/a?limit=1", "GET /v1/jobs/"):
        api.routes[page] = lambda: reply(200, {"data": []})
    result = run("job", typed)
    assert result.exit_code == 1
    assert result.stderr.startswith("gridpress:")


def test_an_unknown_job_is_exit_status_1(run: Run) -> None:
    result = run("job", "job_0")
    assert result.exit_code == 1
    assert "nothing answers at /v1/jobs/job_0" in result.stderr


def test_webhooks_secret_prints_only_the_secret(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/webhooks/secret"] = lambda: reply(200, {"secret": "whsec_abc"})
    assert run("webhooks", "secret").stdout == "whsec_abc\n"


def test_commands_send_the_key_of_the_environment(api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = new_key()
    run("jobs")
    monkeypatch.setenv("GRIDPRESS_API_KEY", f"{key}\n")
    run("jobs")
    assert api.authorizations == [None, f"Bearer {key}"]


def test_a_key_may_be_in_a_file(run: Run, api: StubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = new_key()
    (tmp_path / "key").write_text(f"{key}\n")
    monkeypatch.setenv("GRIDPRESS_API_KEY_FILE", str(tmp_path / "key"))
    run("jobs")
    assert api.authorizations == [f"Bearer {key}"]
    monkeypatch.setenv("GRIDPRESS_API_KEY", key)
    assert "both set" in run("jobs").stderr
    monkeypatch.delenv("GRIDPRESS_API_KEY")
    monkeypatch.setenv("GRIDPRESS_API_KEY_FILE", str(tmp_path / "nothing"))
    result = run("jobs")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "can't be read: No such file" in result.stderr


def test_what_is_no_key_is_neither_sent_nor_printed(api: StubApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPRESS_API_KEY", "a secret\nof another service")
    result = run("job", "job_1")
    assert (result.exit_code, api.requests) == (1, [])
    assert "GRIDPRESS_API_KEY" in result.stderr
    assert "a secret" not in result.output


def test_whoever_has_no_key_is_told_where_to_put_it(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/jobs/job_1"] = lambda: problem(401, "send an API key")
    result = run("job", "job_1")
    assert (result.exit_code, result.stderr) == (1, "gridpress: send an API key (set GRIDPRESS_API_KEY)\n")
