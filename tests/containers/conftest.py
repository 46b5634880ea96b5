"""The engine, the images and one stack that serves all tests of a module."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import Engine, missing, namespace
from tests.containers.images import build_all
from tests.containers.load import OneEach
from tests.containers.stack import RECEIVER_HOST, Stack

_FOLDER = "GRIDPRESS_TEST_CONTAINERS"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Its folder is kept between runs, for the sake of what it has built."""
    if why := missing():
        pytest.skip(why)
    folder = Path(os.environ.get(_FOLDER) or Path(tempfile.gettempdir(), "gridpress-containers"))
    engine = Engine(folder.resolve())
    engine.unpack()
    with engine.building():
        build_all(engine)
    with namespace():
        engine.start()
        yield engine
        engine.stop()


@pytest.fixture(scope="session")
def settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Compose file by which webhooks may lead to the tests' receiver."""
    roles = ("api", "ar", "dit", "delivery", "batches", "upkeep")
    lines = [f"  {role}: {{environment: {{GRIDPRESS_EGRESS_ALLOW: {RECEIVER_HOST}}}}}" for role in roles]
    path = tmp_path_factory.mktemp("compose") / "tests.yaml"
    path.write_text("services:\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def stack(engine: Engine, settings_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(engine, tmp_path_factory.mktemp("stack"), files=(settings_file,))
    stack.down()
    stack.up()
    yield stack
    stack.down()


@pytest.fixture(scope="module")
def receiver(stack: Stack) -> Iterator[OneEach]:
    with OneEach(stack.secret("webhook_secret")) as receiver:
        yield receiver
