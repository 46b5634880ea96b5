"""The conformance suite runs every test that takes a `world` twice: over the real store and over its in-memory twin."""

from collections.abc import Iterator

import pytest

from tests.shared.store import clocks
from tests.shared.store.world import World


@pytest.fixture
def still_clock() -> Iterator[None]:
    """While this is in force the store's scripts read a clock that stands still."""
    with pytest.MonkeyPatch.context() as patch:
        clocks.install(patch)
        yield
    clocks.forget_scripts()


@pytest.fixture(params=["valkey", "memory"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return World.of_memory()
    request.getfixturevalue("still_clock")
    return World.of_valkey(request.getfixturevalue("client"))
