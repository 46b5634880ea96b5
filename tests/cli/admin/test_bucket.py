"""`gridpress admin bucket`: an operator gives a tenant a bucket of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, reply

PATH = "/v1/tenants/acme/bucket"
NONE: dict[str, Any] = {"tenant": "acme", "bucket": None}
SET = {
    "tenant": "acme",
    "bucket": "acme-pictures",
    "location": "s3://acme-pictures/a/",
    "endpoint_url": None,
    "region": "eu-central-1",
    "access": "key",
    "access_key": "AK",
    "role_arn": None,
    "num_waiting": 3,
    "num_deleting": 2,
    "error": "there is no bucket",
    "failing_since": "2026-01-05T09:30:00.000Z",
}
BUCKET = ("admin", "bucket", "--tenant", "acme")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (NONE, ["acme has no bucket"]),
        (SET, ["s3://acme-pictures/a/", "access key AK", "copies: 3", "to delete: 2", "failing since"]),
    ],
)
def test_it_is_shown(api: StubApi, run: Run, found: dict[str, Any], words: list[str]) -> None:
    api.routes[f"GET {PATH}"] = lambda: reply(200, found)
    shown = run(*BUCKET).stdout
    assert all(word in shown for word in words), shown
    assert json.loads(run(*BUCKET, "--json").stdout) == found


def test_it_is_set_with_a_secret_from_a_file(api: StubApi, run: Run, tmp_path: Path) -> None:
    api.routes[f"PUT {PATH}"] = lambda: reply(200, SET)
    file = tmp_path / "secret"
    file.write_text("SK\n")
    result = run(*BUCKET, "--bucket", "acme-pictures", "--access-key", "AK", "--secret-key-file", str(file))
    assert result.exit_code == 0, result.stderr
    assert api.sent(f"PUT {PATH}") == [{"bucket": "acme-pictures", "access_key": "AK", "secret_key": "SK"}]


def test_it_is_removed(api: StubApi, run: Run) -> None:
    api.routes[f"DELETE {PATH}"] = lambda: reply(200, NONE)
    assert "acme has no bucket" in run(*BUCKET, "--remove").stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--prefix", "a"], "--bucket"),
        (["--bucket", "acme-pictures", "--access-key", "AK"], "--secret-key-file"),
        (["--bucket", "acme-pictures", "--remove"], "--remove"),
    ],
)
def test_options_that_miss_something_are_refused(run: Run, given: list[str], words: str) -> None:
    result = run(*BUCKET, *given)
    assert (result.exit_code, words in result.stderr) == (2, True)


def test_a_refusal_names_the_option(api: StubApi, run: Run) -> None:
    error = {"code": "invalid_request", "field": "endpoint_url", "message": "endpoint_url: 10.0.0.7 is private"}
    told = {"title": "No", "status": 400, "detail": error["message"], "field": "endpoint_url", "errors": [error]}
    api.routes[f"PUT {PATH}"] = lambda: reply(400, told, "application/problem+json")
    result = run(*BUCKET, "--bucket", "acme-pictures", "--endpoint-url", "https://10.0.0.7")
    assert (result.exit_code, "--endpoint-url: 10.0.0.7 is private" in result.stderr) == (1, True), result.stderr
