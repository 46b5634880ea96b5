"""The command under test, and an API for it to talk to."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from cli import client
from cli.main import main
from tests.cli.stub_api import StubApi

Run = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[StubApi]:
    with StubApi() as stub:
        yield stub


@pytest.fixture
def run(api: StubApi, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line against the stub, polling without pauses."""
    monkeypatch.setenv("GRIDPRESS_URL", api.url)
    monkeypatch.delenv("GRIDPRESS_API_KEY", raising=False)
    monkeypatch.delenv("GRIDPRESS_API_KEY_FILE", raising=False)
    monkeypatch.setattr(client, "_POLL_S", 0.0)
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])
