"""What a person did wrong is told in the words of the command line, and nothing ends in a traceback."""

import errno
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from gridpress.client.connection import service_url
from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, reply
from tests.cli.test_help import ALL

_CALLING = sorted(path for path, command in ALL.items() if any(each.name == "url" for each in command.params))


def refusal(*errors: tuple[str | None, str]):  # type: ignore[no-untyped-def]
    found = [{"field": field, "message": message} for field, message in errors]
    body = {"status": 400, "detail": found[0]["message"], "field": found[0]["field"], "errors": found}
    body["error"] = {"message": body["detail"], "param": body["field"]}  # OpenAI's form, which the API sends as well
    return lambda: reply(400, body, "application/problem+json")


@pytest.mark.parametrize(
    ("field", "message", "told"),
    [
        ("num_inference_steps", "num_inference_steps must be at most 9", "--steps must be at most 9"),
        ("n", "n must be a whole number of at least 1, not 0", "--n must be a whole number of at least 1, not 0"),
        ("size", "width must be a multiple of 32, not 500", "--size: width must be a multiple of 32, not 500"),
        ("size", "size: it has too many pixels", "--size: it has too many pixels"),
        ("images[1]", "images[1] is not a picture", "--image number 2 is not a picture"),
        ("seed", "seeds are numbers", "--seed: seeds are numbers"),
        (None, "the queue is closed", "the queue is closed"),
        ("elsewhere", "elsewhere is wrong", "elsewhere is wrong"),
    ],
)  # fmt: skip
def test_a_field_is_named_as_the_option_that_was_typed(
    api: StubApi, run: Run, field: str | None, message: str, told: str
) -> None:
    api.routes["POST /v1/jobs"] = refusal((field, message))
    result = run("render", "a fox")
    assert (result.exit_code, result.stderr) == (1, f"gridpress: {told}\n")


def test_every_invalid_field_is_told(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/jobs"] = refusal(("n", "n must be less"), ("guidance_scale", "guidance_scale must be more"))
    assert run("render", "a fox").stderr == "gridpress: --n must be less\n  --guidance must be more\n"


def test_the_entries_of_a_list_are_counted(api: StubApi, run: Run) -> None:
    api.routes["POST /v1/webhook_endpoints"] = refusal(("events[0]", "events[0] must be one of job.failed"))
    result = run("webhooks", "add", "https://a.example/", "--event", "x")
    assert result.stderr == "gridpress: --event number 1 must be one of job.failed\n"


def test_a_negative_prompt_is_refused_with_the_reason(api: StubApi, run: Run) -> None:
    result = run("render", "a fox", "--negative-prompt", "rain")
    assert (result.exit_code, api.requests) == (2, [])
    assert "GLM-Image has no negative prompt, because" in result.stderr


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost:8000/v1/", "http://localhost:8000"),
        ("https://a.example/v1", "https://a.example"),
        ("https://a.example/pictures/v1", "https://a.example/pictures"),
        ("[::1]:8000", "http://[::1]:8000"),
        (" http://a.example/ ", "http://a.example"),
    ],
)
def test_an_address_may_be_short_or_end_with_v1(typed: str, url: str) -> None:
    assert service_url(typed) == url


@pytest.mark.parametrize(
    "typed", ["", "http://", "http://[", "[::1", "a:b", "a:99999", "ftp://a", "http://a b", "http://a?b", "\0"]
)  # fmt: skip
def test_what_is_no_address_is_a_wrong_command_line(typed: str) -> None:
    result = CliRunner().invoke(main, ["jobs", "--url", typed])
    assert result.exit_code == 2
    assert "--url" in result.stderr


@pytest.mark.parametrize("path", _CALLING, ids=" ".join)
@pytest.mark.parametrize("body", [b"null", b'{"data": [{}]}'], ids=str)
def test_no_answer_of_another_service_ends_in_a_traceback(
    path: tuple[str, ...], body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRIDPRESS_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text('{"prompt": "a"}\n')
    monkeypatch.setattr("cli.client.httpx.Client.request", lambda *_, **__: _response(body))
    arguments = ["x" for each in ALL[path].params if isinstance(each, click.Argument)]
    required = {"--out": "out", "--since": "2h", "--images-per-minute": "9", "--count": "1"}
    options = [part for each in ALL[path].params if each.required and each.opts[0] in required
               for part in (each.opts[0], required[each.opts[0]])]  # fmt: skip
    result = CliRunner().invoke(main, [*path, *arguments, *options])
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code in range(4)


def _response(body: bytes):  # type: ignore[no-untyped-def]
    import httpx  # noqa: PLC0415

    return httpx.Response(200, content=body, request=httpx.Request("GET", "http://a.example"))


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(main.commands["jobs"], "callback", fail)
    monkeypatch.setattr(main.commands["jobs"], "params", [])


def test_an_unexpected_error_is_one_line_unless_its_place_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyError("data"))
    result = CliRunner().invoke(main, ["jobs"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "unexpected error: KeyError: 'data'" in result.stderr
    assert isinstance(CliRunner().invoke(main, ["--traceback", "jobs"]).exception, KeyError)


def test_a_file_that_may_not_be_read_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/etc/shadow"))
    result = CliRunner().invoke(main, ["jobs"])
    assert (result.exit_code, result.stderr) == (1, "gridpress: /etc/shadow: Permission denied\n")
