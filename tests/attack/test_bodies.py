"""What bodies, pictures and batch files of one client do to everybody else."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import httpx
import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from tests.api.processes import Served, served
from tests.api.server.test_server import settings_of
from tests.attack.hostile_pictures import png, zeros
from tests.attack.neighbours import beside, beside_load, memory_mib
from tests.attack.prober import Latencies

pytestmark = pytest.mark.attack

MIB = 1024 * 1024
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(s3, tmp_path_factory.mktemp("api")), empty_valkey_url, API_PROCESSES=2) as api:
        yield api


@pytest.fixture(scope="module")
def busy(api: Served) -> Latencies:
    return beside_load(api.port)


def at_once(api: Served, number: int, send: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
    with api.client() as http, ThreadPoolExecutor(number) as pool:
        return list(pool.map(send, repeat(http, number)))


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


FORM = {"content-type": "multipart/form-data; boundary=b"}
FIELD = b'Content-Disposition: form-data; name="a%d"\r\n\r\n1'
FILE = b'Content-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
BODIES: dict[str, tuple[dict[str, str], Callable[[], bytes]]] = {
    "30 MB of empty lists": (JSON, lambda: b"[" + b"[]," * 10_000_000 + b"1]"),
    "images of ones": (JSON, lambda: b'{"prompt": "a", "images": [' + b"1," * 30_000 + b"1]}"),
    "12 MB of unknown fields": (JSON, lambda: json.dumps(dict.fromkeys(map(str, range(900_000)), 1)).encode()),
    "a deep list": (JSON, lambda: b"[" * 60_000),
    "a prompt of a mebibyte": (JSON, lambda: json.dumps({"prompt": "a" * (MIB - 20)}).encode()),
    "30 MB of base64 that is no picture": (JSON, lambda: b'{"prompt": "a;base64,' + b"A" * 30_000_000 + b'"}'),
    "a form of 100,000 fields": (FORM, lambda: form(*(FIELD % number for number in range(100_000)))),
    "a form of one endless head": (FORM, lambda: form(b"Content-Disposition: form-data; a=" + b"a" * 10_000_000)),
    "a form of many heads": (FORM, lambda: form(b"a: b\r\n" * 1_000_000)),
    "a form of newlines": (FORM, lambda: form(FIELD % 1 + b"\r\n--" * 4_000_000)),
    "a file of newlines": (FORM, lambda: form(FILE + b"\r\n--" * 4_000_000)),
    "a form of one endless boundary": (
        {"content-type": "multipart/form-data; boundary=" + "b" * 4_000},
        lambda: b"--" + b"b" * 10_000_000,
    ),
}


@pytest.mark.measured
@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_costs_its_sender_a_refusal_and_its_neighbours_nothing(
    api: Served, busy: Latencies, name: str
) -> None:
    fields, make = BODIES[name]
    body, answers = make(), list[httpx.Response]()
    found = beside(
        api.port,
        api.process.pid,
        lambda: answers.extend(at_once(api, 4, lambda http: http.post("/v1/jobs", content=body, headers=fields))),
        busy=busy,
    )
    assert {answer.status_code for answer in answers} <= {400, 413}
    assert found.unharmed, found
    assert found.peak_mib - found.rss_mib < 150, found


def test_a_keyed_request_without_pictures_waits_for_nobodys(api: Served) -> None:
    picture = png(8_000, 5_000, rows=zeros(8_001 * 5_000))
    files, done = {"image": ("a.png", picture)}, threading.Event()
    with api.client() as http:
        answers = list[httpx.Response]()

        def ask() -> None:
            answers.extend(at_once(api, 4, lambda http: http.post("/v1/jobs", data={"prompt": "a"}, files=files)))
            done.set()

        thread = threading.Thread(target=ask)
        thread.start()
        num_meanwhile = 0
        while not done.is_set():
            sent = {"Idempotency-Key": f"key-{num_meanwhile}"}
            assert http.post("/v1/jobs", json={"prompt": "a"}, headers=sent).status_code == 202
            num_meanwhile += 1
        thread.join()
    assert {answer.status_code for answer in answers} <= {202, 503}
    assert num_meanwhile > 4  # with one thread for all, each of them waited behind a picture


@pytest.mark.measured
def test_ten_checks_of_bad_batch_files_leave_the_others_alone(api: Served, busy: Latencies) -> None:
    line = {"custom_id": "%d", "method": "POST", "url": "/v1/jobs", "body": {"prompt": "a", "size": "1x1"}}
    text = json.dumps(line)
    lines = "\n".join(text % number for number in range(2_000)).encode()
    with api.client() as http:
        file = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", lines)}).json()["id"]
    asked = {"input_file_id": file, "endpoint": "/v1/jobs", "completion_window": "24h"}
    answers = list[httpx.Response]()
    found = beside(
        api.port,
        api.process.pid,
        lambda: answers.extend(at_once(api, 10, lambda http: http.post("/v1/batches/validate", json=asked))),
        busy=busy,
    )
    assert {(answer.status_code, answer.json()["invalid"]) for answer in answers} == {(200, 2_000)}
    assert found.unharmed, found


def test_a_batch_file_of_all_promised_bytes_goes_through_and_none_of_it_stays(api: Served, tmp_path: Path) -> None:
    with (tmp_path / "lines.jsonl").open("w+b") as file:
        file.truncate(200_000_000)
        before = memory_mib(api.process.pid)
        with api.client() as http:
            answer = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", file)})
    assert (answer.status_code, answer.json()["bytes"]) == (200, 200_000_000)
    assert memory_mib(api.process.pid) - before < 100  # in pieces, whatever is sent


def test_a_batch_file_of_one_byte_more_is_refused(api: Served, tmp_path: Path) -> None:
    with (tmp_path / "lines.jsonl").open("w+b") as file, api.client() as http:
        file.truncate(200_000_001)
        answer = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", file)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")
