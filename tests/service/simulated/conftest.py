"""One service with the simulated engine for all tests of this folder, because its start takes longer than they do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack.ports import free_ports
from tests.story.conftest import started
from tests.workers.delivery.content.hooks import SECRET, FakeHook, hooking


@pytest.fixture(scope="package")
def hook() -> Iterator[FakeHook]:
    """Reads the text in pictures."""
    with hooking((200, b'{"text": "OPER"}')) as known:
        yield known


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="package")
def metrics_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="package")
def url(folder: Path, hook: FakeHook, metrics_port: int) -> Iterator[str]:
    environment = {
        "TEXT_READER": "hook",
        "TEXT_HOOK_URL": hook.url,
        "CONTENT_HOOK_SECRET": SECRET,
        "EGRESS_ALLOW": "127.0.0.1",
        "METRICS_PORT": str(metrics_port),
    }
    named = {f"GRIDPRESS_{name}": value for name, value in environment.items()}
    with started(folder, named, "simulate:ar=0,dit=0") as address:
        yield address
