"""What goes wrong at an operator's hands is told in one line, or mends itself."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import Engine
from tests.containers.stack import Stack, variables

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


@pytest.fixture
def fresh(engine: Engine, settings_file: Path, tmp_path: Path) -> Iterator[Stack]:
    """A stack that was never started, without a proxy."""
    stack = Stack(engine, tmp_path, variables(), files=(settings_file,))
    stack.down()
    yield stack
    stack.down()


def _failure(stack: Stack, *arguments: str, **given: str) -> str:
    with pytest.raises(AssertionError) as raised:
        stack.compose("up", "--detach", "--no-build", *arguments, **given)
    return str(raised.value)


def test_a_secrets_folder_of_another_user_is_named_with_the_remedy(fresh: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    _failure(fresh, "prepare", "valkey", SECRETS=str(folder))
    assert "it belongs to uid 0 with mode 700, and the containers run as uid 10001" in fresh.logs("prepare")


def test_a_volume_of_another_user_is_named_with_the_remedy(fresh: Stack) -> None:
    fresh.docker("volume", "create", "--label", "com.docker.compose.project=gridpress", "gridpress_store")
    argv = ("run", "--rm", "--user", "0:0", "--volume", "gridpress_store:/volume", "gridpress-worker:new")
    fresh.docker(*argv, "sh", "-c", "touch /volume/theirs && chown -R 999:999 /volume")
    _failure(fresh, "valkey")
    assert "/var/lib/gridpress/store can't be written" in fresh.logs("prepare")


def test_an_empty_secret_is_named(fresh: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "webhook_secret").write_text("")
    os.chown(folder, 10001, 10001)
    _failure(fresh, "valkey", SECRETS=str(folder))
    assert "the secret webhook_secret is empty" in fresh.logs("prepare")


def test_a_taken_port_is_named(fresh: Stack) -> None:
    argv = ("run", "--detach", "--rm", "--publish", "0.0.0.0:8000:9", "gridpress-worker:new", "sleep", "600")
    taken = fresh.docker(*argv).strip()
    try:
        assert "8000" in _failure(fresh, "api")
    finally:
        fresh.docker("rm", "--force", taken)


def test_a_setting_that_cannot_be_is_named_by_the_role(fresh: Stack) -> None:
    fresh.up("bucket", "keys")
    fresh.compose("up", "--detach", "--no-build", "ar", MODEL="simulate:ar=fast")
    [container] = fresh.containers("ar")
    fresh.wait_until(lambda: "is no duration" in _logs(fresh, container))
    assert fresh.state(container)["ExitCode"] in (0, 78)


def _logs(stack: Stack, container: str) -> str:
    argv = ["docker", "logs", container]
    done = subprocess.run(argv, env=stack.engine.environment, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr
