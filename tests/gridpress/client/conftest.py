"""The API in a thread of the test, and both clients; or both clients with responses that a test makes up."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from api.app import create_app
from api.services import Services
from gridpress.client import async_transport, sync_transport
from tests.api.conftest import hints, house, store  # noqa: F401
from tests.gridpress.client.blocking import KINDS, make

Make = Callable[..., Any]


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        return


@pytest.fixture
def url(house: Services) -> Iterator[str]:  # noqa: F811
    server = make_server("127.0.0.1", 0, create_app(house), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    house.stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRIDPRESS_URL", "GRIDPRESS_API_KEY", "GRIDPRESS_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the client would have slept. It sleeps no longer than a moment."""
    seen: list[float] = []

    async def sleep(seconds: float) -> None:
        seen.append(seconds)

    monkeypatch.setattr(sync_transport, "sleep", seen.append)
    monkeypatch.setattr(async_transport, "sleep", sleep)
    return seen


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Makes clients of one kind, and closes them at the end."""
    made: list[Any] = []
    with asyncio.Runner() as runner:

        def new(url: str = "http://gridpress.example", **options: Any) -> Any:
            made.append(make(request.param, url, runner, **options))
            return made[-1]

        yield new
        for client in made:
            client.close()


@pytest.fixture
def answered(connect: Make) -> Make:
    """Makes a client whose requests a function answers."""
    return lambda answer, **options: connect(transport=httpx.MockTransport(answer), **options)
