"""How one of the API's processes comes to serve: what it lacks at its start is waited for, and ends no other."""

import socket

import pytest
from flask import Flask

from api.quotas import Quotas
from api.server.arbiter import Application
from shared.errors import StoreUnavailable
from shared.settings.settings import Settings

pytestmark = pytest.mark.attack


class Services:
    def stop(self) -> None:
        return


class Worker:
    """Pauses so often, and is to end then."""

    number = 0

    def __init__(self, num_pauses: int) -> None:
        self.num_pauses = num_pauses

    def pause(self, _: float) -> bool:
        self.num_pauses -= 1
        return self.num_pauses >= 0


def an_application(*lacks: Exception) -> tuple[Application, Flask]:
    app, left = Flask("app"), list(lacks)

    def compose() -> tuple[Flask, Services]:
        if left:
            raise left.pop(0)
        return app, Services()

    listener = socket.create_server(("127.0.0.1", 0))
    return Application(compose, Settings(), Quotas.of(Settings()), listener, lambda: None), app


@pytest.mark.parametrize(
    "error", [StoreUnavailable("away"), OSError(24, "Too many open files"), MemoryError(), RuntimeError("no thread")]
)
def test_whatever_a_process_lacks_at_its_start_is_waited_for(error: Exception) -> None:
    application, app = an_application(error, error)
    assert application.load_in(Worker(2)) is app


def test_a_process_that_is_to_end_waits_no_longer() -> None:
    application, _ = an_application(*[RuntimeError("never")] * 3)
    assert application.load_in(Worker(1)) is None
