"""Bodies: not read for nothing, bounded all together, and pictures in them loaded one at a time."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from PIL import Image

from api.bodies import incoming
from api.services import Services
from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.conftest import with_settings
from tests.api.pictures import data_url, png
from tests.api.processes import served

pytestmark = pytest.mark.attack

TIMEOUT_S = 30
MIB = 1024 * 1024
FILE_FIELD = b'name="file"; filename="a"\r\n\r\na'


def noise(num_pixels_a_side: int = 1024) -> bytes:
    """A picture that no format makes small."""
    file = BytesIO()
    Image.frombytes("RGB", (num_pixels_a_side,) * 2, os.urandom(3 * num_pixels_a_side**2)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/images/edits"])
def test_a_body_over_the_budget_is_refused_for_now(house: Services, path: str) -> None:
    http = with_settings(house, max_held_bytes=2 * MIB)
    for _ in range(3):  # what was refused or is over holds nothing
        body = {"prompt": "a", "images": [data_url(noise(700))]}
        answer = http.post(path, json=body)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2"), answer.text
        assert http.post("/v1/jobs", json={"prompt": "a"}).status_code == 202
    assert len(http.get("/v1/jobs").get_json()["data"]) == 3


def test_a_body_without_a_length_counts_as_it_comes(house: Services) -> None:
    http = with_settings(house, max_held_bytes=2 * MIB)
    body = json.dumps({"prompt": "a", "images": [data_url(noise(700))]}).encode()
    environ: dict[str, Any] = {"wsgi.input_terminated": True, "wsgi.input": BytesIO(body)}
    answer = http.post("/v1/jobs", content_type="application/json", environ_overrides=environ)
    assert answer.get_json()["code"] == "service_busy"


@pytest.mark.parametrize("is_form", [False, True])
def test_a_large_picture_makes_a_job_however_it_is_sent(http: FlaskClient, house: Services, is_form: bool) -> None:
    picture = noise(520)
    images = [data_url(picture), data_url(png())]
    form: dict[str, Any] = {"data": {"prompt": "a"}, "files": {"image": ("a.png", picture)}}
    sent = httpx.Request("POST", "/v1/jobs", **(form if is_form else {"json": {"prompt": "a", "images": images}}))
    fields = {"Idempotency-Key": "k", "Content-Type": sent.headers["content-type"]}
    first, second = (http.post("/v1/jobs", headers=fields, data=sent.read()) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202), first.text
    assert first.get_json()["id"] == second.get_json()["id"]
    job = house.store.job(first.get_json()["id"], DEFAULT_TENANT)
    stored = [Image.open(BytesIO(house.objects.get(key))) for key in job.spec.settings.images]
    assert stored[0].tobytes() == Image.open(BytesIO(picture)).tobytes()  # a size that needs no scaling


@pytest.mark.parametrize(
    "path", ["/v1/images/generations", "/paas/v4/images/generations", "/v1/batches", "/v1/webhook_endpoints"]
)
def test_a_route_without_pictures_takes_a_mebibyte(http: FlaskClient, path: str) -> None:
    answer = http.post(path, data=b"{}".ljust(MIB + 1), content_type="application/json")
    assert answer.status_code == 413


def test_files_are_loaded_one_at_a_time(http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    form = {"purpose": "vision", "file": (BytesIO(png()), "a.png")}
    file_id = http.post("/v1/files", data=form).get_json()["id"]
    loaded = list[str]()
    plain = ObjectStore.get
    monkeypatch.setattr(ObjectStore, "get", lambda self, key: loaded.append(key) or plain(self, key))
    text = http.post("/v1/files", data={"purpose": "vision", "file": (BytesIO(b"no picture"), "a.png")})
    images = [file_id, text.get_json()["id"], *[file_id] * 6]
    answer = http.post("/v1/jobs", json={"prompt": "a", "images": images})
    assert answer.get_json()["field"] == "images[1]"
    assert len(loaded) == 2  # none was loaded behind the one that is no picture


@pytest.fixture
def port(s3_settings: Settings, valkey_url: str, client: Client) -> Iterator[int]:
    KeyStore(client).create(DEFAULT_TENANT, [Scope.ADMIN])
    with served(s3_settings, valkey_url) as api:
        yield api.port


@pytest.mark.parametrize("framing", [b"Content-Length: 60000000", b"Transfer-Encoding: chunked"])
def test_no_byte_of_a_body_is_awaited_from_a_stranger(port: int, framing: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + framing + b"\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_machine_lacks_is_a_refusal_that_says_to_come_back(
    http: FlaskClient, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Large bodies go into a temporary file: here the disk is full, or no file descriptor is left."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as lacking:
        lacking.setattr(incoming, "TemporaryFile", refuse)
        for send in (
            {"json": {"prompt": "a", "images": [data_url(noise(320))]}},
            {"data": {"prompt": "a", "image": (BytesIO(noise(320)), "a.png")}},
        ):
            answer = http.post("/v1/jobs", **send)  # type: ignore[arg-type]
            assert (answer.status_code, answer.get_json()["code"]) == (503, "service_busy")
    assert http.get("/v1/jobs").get_json()["data"] == []
    assert http.post("/v1/jobs", json={"prompt": "a"}).status_code == 202


def test_the_files_of_one_request_have_a_limit_all_together(house: Services) -> None:
    picture = noise(320)
    http = with_settings(house, max_body_bytes=3 * len(picture))
    form = {"file": (BytesIO(picture), "a.png"), "purpose": "vision"}
    file_id = http.post("/v1/files", data=form).get_json()["id"]
    assert http.post("/v1/jobs", json={"prompt": "a", "images": [file_id] * 3}).status_code == 202
    answer = http.post("/v1/jobs", json={"prompt": "a", "images": [file_id] * 4})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "images[3]"), answer.text
    assert "all images together" in answer.get_json()["detail"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/files"])
@pytest.mark.parametrize(("num_chars", "is_taken"), [(70, True), (72, True), (100, True), (101, False), (4_000, False)])
def test_a_boundary_is_as_long_as_clients_draw_them_and_no_longer(
    http: FlaskClient, path: str, num_chars: int, is_taken: bool
) -> None:
    boundary = b"b" * num_chars
    fields = [b'name="prompt"\r\n\r\na'] if path == "/v1/jobs" else [b'name="purpose"\r\n\r\nuser_data', FILE_FIELD]
    body = b"".join(b"--" + boundary + b"\r\nContent-Disposition: form-data; " + each + b"\r\n" for each in fields)
    content_type = f"multipart/form-data; boundary={boundary.decode()}"
    answer = http.post(path, data=body + b"--" + boundary + b"--\r\n", content_type=content_type)
    assert (answer.status_code < 400) == is_taken, answer.text
    assert answer.status_code < 500
