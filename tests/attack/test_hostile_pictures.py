"""Every kind of hostile picture, sent to an API: refused by name or taken, and neither it nor its neighbours suffer."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.images.decoders import decoders_of
from shared.settings.settings import Settings
from tests.api.pictures import png
from tests.api.processes import Served, served
from tests.api.server.test_server import settings_of
from tests.attack.hostile_pictures import HARMLESS, HOSTILE

pytestmark = pytest.mark.attack

_MIB = 1024 * 1024
_MOST_GROWTH = 64 * _MIB  # of the API: what came, and once more
_MOST_DECODER = decoders_of(Settings().max_image_pixels).pool.task.memory_bytes


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(s3, tmp_path_factory.mktemp("api")), empty_valkey_url, API_PROCESSES=1) as api:
        yield api


@pytest.fixture(scope="module")
def http(api: Served) -> Iterator[httpx.Client]:
    with api.client() as http:
        assert sent(http, png()).status_code == 202  # so that what is measured has been loaded
        yield http


def sent(http: httpx.Client, picture: bytes) -> httpx.Response:
    return http.post("/v1/jobs", data={"prompt": "a"}, files={"image": ("a.png", picture)})


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_picture_costs_its_sender_a_refusal_and_nobody_anything(
    api: Served, http: httpx.Client, kind: str
) -> None:
    server, *_ = psutil.Process(api.process.pid).children()
    before = peak_bytes(server.pid)
    answer = sent(http, HOSTILE[kind]())
    if kind in HARMLESS:
        assert answer.status_code == 202, answer.text
    else:
        told = answer.json()
        assert (answer.status_code, told["code"], told["field"]) == (400, "invalid_image", "images[0]"), answer.text
    assert sent(http, png()).status_code == 202
    assert http.get("/healthz").status_code == 200
    assert peak_bytes(server.pid) - before < _MOST_GROWTH
    decoders = [child for child in server.children() if "shared.sandbox" in child.cmdline()]
    assert 1 <= len(decoders) <= 2
    assert all(peak_bytes(child.pid) < _MOST_DECODER for child in decoders)
