"""Well-formed and malformed requests: each gets a response, and the connection closes if its end is unclear."""

import json
import re
import socket
from collections.abc import Iterator

import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.store.core.connect import Client
from tests.api.processes import Served, served
from tests.api.server.test_server import settings_of
from tests.attack.shapes import Shape, all_shapes

pytestmark = pytest.mark.attack

SHAPES = all_shapes()
TIMEOUT_S = 30
NEXT = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
# What follows a body that ends early belongs to it.
ALONE = {"a body that ends early", "chunks that end early", "tiny chunks without end"}


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(s3, tmp_path_factory.mktemp("api")), empty_valkey_url, RECEIVE_TIMEOUT_S=1) as api:
        yield api


def answers_to(port: int, sent: bytes) -> bytes:
    """All that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        try:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65_536), b""))
        except ConnectionError:
            return b""


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[012] (\d{3}) ", answers)]


def test_there_are_as_many_as_are_told() -> None:
    assert len(SHAPES) >= 130
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_shape_is_answered_and_nothing_hides_behind_it(api: Served, shape: Shape) -> None:
    answers = answers_to(api.port, shape.sent + (b"" if shape.name in ALONE else NEXT))
    assert statuses(answers) == [shape.status, 200][: 1 + shape.kept], answers[-600:]


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not shape.kept and shape.status >= 400], ids=str)
def test_what_is_refused_is_a_problem_with_our_fields(api: Served, shape: Shape) -> None:
    head, _, body = answers_to(api.port, shape.sent).partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert fields[b"x-request-id"].startswith(b"req_")
    assert fields[b"connection"] == b"close"
    assert fields[b"x-content-type-options"] == b"nosniff"
    assert fields[b"content-type"] == b"application/problem+json"
    problem = json.loads(body)
    assert problem["status"] == shape.status
    assert re.fullmatch("[a-z_]+", problem["code"])


def test_nothing_of_it_was_stored(api: Served, client: Client) -> None:
    for shape in SHAPES:
        if shape.sent.startswith(b"POST") and shape.status != 408:
            answers_to(api.port, shape.sent + NEXT)
    assert client.keys("gridpress:job:*") == []


def test_pipelined_requests_are_answered_in_their_order(api: Served) -> None:
    paths = [b"/healthz" if number % 3 else b"/nothing" for number in range(300)]
    requests = [b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths]
    answers = answers_to(api.port, b"".join(requests) + NEXT)
    assert statuses(answers) == [200 if path == b"/healthz" else 404 for path in paths] + [200]
