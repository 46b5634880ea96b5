"""An object store that fails, is slow or refuses: pictures wait for it, nothing is computed twice, nobody guesses."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest

from shared.jobs.states import Stage
from shared.process.starting import EXIT_MISCONFIGURED
from tests.chaos.proxy import Address, Proxy
from tests.faults.fleet import LEASE_TTL_S, Fleet
from tests.fixtures.http_server import HttpServer, Quiet


class _AlwaysFails(Quiet, BaseHTTPRequestHandler):
    """An S3 that answers 500 to everything."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.received()
        self.send_response(500)
        self.send_header("content-length", "0")
        self.end_headers()


class Line:
    """The way to the object store. It leads to a broken one while `is_broken`."""

    def __init__(self, healthy: Address, broken: Address) -> None:
        self.is_broken = False
        self.proxy = Proxy(lambda: socket.create_connection(broken if self.is_broken else healthy))

    def mend(self) -> None:
        """Connections that lead to the broken one are cut."""
        self.is_broken = False
        self.proxy.cut()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"


@pytest.fixture
def line(fleet: Fleet) -> Iterator[Line]:
    parts = urlsplit(str(fleet.settings.s3_endpoint_url))
    assert parts.hostname
    assert parts.port
    with HttpServer(_AlwaysFails) as broken:
        made = Line((parts.hostname, parts.port), ("127.0.0.1", broken.port))
        with made.proxy:
            yield made


def test_a_picture_waits_while_the_object_store_answers_500(fleet: Fleet, line: Line) -> None:
    fleet.start(Stage.AR)
    decoder = fleet.start(Stage.DIT, s3_endpoint_url=line.url)
    line.is_broken = True
    job = fleet.submit(n=2)
    fleet.wait_until(lambda: decoder.log.count("render.record_delayed") >= 2)
    assert fleet.are_all(job, "decode_running")
    line.mend()
    fleet.wait_until(lambda: fleet.are_all(job, "succeeded"))
    assert [render.attempts for render in fleet.renders(job)] == [2, 2]  # one a stage


def test_a_slow_object_store_costs_no_lease(fleet: Fleet, line: Line) -> None:
    fleet.start(Stage.AR)
    fleet.start(Stage.DIT, s3_endpoint_url=line.url)
    line.proxy.drop()
    job = fleet.submit()
    fleet.wait_until(lambda: fleet.are_all(job, "decode_running"))
    clock_s = int(fleet.client.time()[0])  # type: ignore[index]
    fleet.wait_until(lambda: int(fleet.client.time()[0]) > clock_s + 2 * LEASE_TTL_S)  # type: ignore[index]
    line.proxy.pass_on()
    fleet.wait_until(lambda: fleet.are_all(job, "succeeded"))
    assert [render.attempts for render in fleet.renders(job)] == [2]


@pytest.mark.parametrize("stage", list(Stage))
def test_wrong_credentials_end_the_start_in_one_line(fleet: Fleet, stage: Stage) -> None:
    worker = fleet.launch_stage(stage, s3_secret_key="wrong")
    fleet.wait_until(lambda: not worker.is_running)
    assert worker.process.returncode == EXIT_MISCONFIGURED
    assert worker.log.splitlines()[-1].startswith(f"gridpress {stage}: the object store refuses these credentials")
