"""Files as OpenAI's client sees them, and what must hold behind: streamed in, deleted for good, nobody else's."""

import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.errors import FileNotStored, ObjectNotFound, ObjectStoreUnavailable
from shared.files import FileId, Purpose, file_key, new_file_id
from shared.ids import DEFAULT_TENANT, TenantId
from shared.objects.store import ObjectStore
from shared.objects.writer import PART_BYTES
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.conftest import with_settings
from tests.api.pictures import png
from workers.upkeep.files import delete_ended_files

FORM = "multipart/form-data; boundary=x"
LINES = b'{"custom_id": "a"}\n{"custom_id": "b"}\n'
DAY_S = 24 * 3600


def upload(
    http: FlaskClient, data: bytes = LINES, *, name: str = "in.jsonl", headers: Any = None, **fields: str
) -> TestResponse:
    form = {"purpose": "batch", **fields, "file": (io.BytesIO(data), name)}
    return http.post("/v1/files", data=form, headers=headers, content_type="multipart/form-data")


def uploaded(http: FlaskClient, data: bytes = LINES, **fields: str) -> dict[str, Any]:
    answer = upload(http, data, **fields)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def bytes_of(house: Services, file: dict[str, Any]) -> bytes:
    return house.objects.get(file_key(FileId(file["id"])))


def is_stored(house: Services, file_id: str) -> bool:
    try:
        house.objects.get(file_key(FileId(file_id)))
    except ObjectNotFound:
        return False
    return True


def test_a_file_is_what_was_sent(http: FlaskClient, house: Services) -> None:
    file = uploaded(http)
    assert re.fullmatch(r"file-[0-9a-z]{26}", file["id"])
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": len(LINES),
        "created_at": file["created_at"],
        "expires_at": file["created_at"] + 30 * DAY_S,
        "filename": "in.jsonl",
        "purpose": "batch",
        "status": "processed",
        "status_details": None,
    }
    assert http.get(f"/v1/files/{file['id']}").get_json() == file
    assert bytes_of(house, file) == LINES


def test_the_purpose_may_come_after_the_file(http: FlaskClient) -> None:
    form = {"file": (io.BytesIO(LINES), "a"), "purpose": "vision"}
    file = http.post("/v1/files", data=form).get_json()
    assert (file["purpose"], file["expires_at"]) == ("vision", None)


def test_expiry_counts_from_creation(http: FlaskClient) -> None:
    times = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = uploaded(http, **times)
    assert file["expires_at"] == file["created_at"] + 3600


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"purpose": "fine-tune"}, "purpose"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "60"}, "expires_after.seconds"),
        ({"expires_after": "1h"}, "expires_after"),
        ({"color": "red"}, "color"),
        ({"purpose": "x" * 5000}, "purpose"),
    ],
)
def test_what_can_not_be_is_refused_by_name(
    http: FlaskClient, house: Services, fields: dict[str, str], at_fault: str
) -> None:
    answer = upload(http, **fields)
    assert answer.status_code == 400
    assert at_fault in answer.text
    assert http.get("/v1/files").get_json()["data"] == []
    (left,) = house.files.take_ended(10)
    delete_ended_files(house.files, house.objects)
    assert not is_stored(house, left)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", FORM, 400),
        (b"nonsense", FORM, 400),
        (
            b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhalf",
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"--x\r\n\r\nno disposition\r\n--x--\r\n", FORM, 400),
        (
            b"--x\r\nContent-Disposition: form-data; name=purpose\r\n\r\n\xff\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
            400,
        ),
        (
            b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\na\r\n--x--\r\n",
            "multipart/form-data; boundary=x",
            400,
        ),
    ],
)
def test_a_broken_body_is_refused_and_leaves_nothing(
    http: FlaskClient, body: bytes, content_type: str, status: int
) -> None:
    assert http.post("/v1/files", data=body, content_type=content_type).status_code == status
    assert http.get("/v1/files").get_json()["data"] == []


def test_limits_go_by_purpose(house: Services) -> None:
    http = with_settings(house, max_file_bytes=1000, max_batch_file_bytes=2000)
    sizes = [(1000, "vision", 200), (1001, "vision", 413), (2000, "batch", 200), (2001, "batch", 413)]
    for size, purpose, status in sizes:
        assert upload(http, b"x" * size, purpose=purpose).status_code == status, (size, purpose)
    backwards = {"file": (io.BytesIO(b"x" * 1001), "a"), "purpose": "vision"}
    assert http.post("/v1/files", data=backwards).status_code == 413


class Spy:
    """Notes what an upload sends to the object store."""

    def __init__(self, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parts: list[int] = []
        self.fail_at: int | None = None
        self._send: Callable[..., Any] = objects._client.upload_part
        monkeypatch.setattr(objects._client, "upload_part", self.upload_part)

    def upload_part(self, **sent: Any) -> Any:
        self.parts.append(len(sent["Body"]))
        if len(self.parts) == self.fail_at:
            raise ObjectStoreUnavailable("gone")
        return self._send(**sent)


@pytest.fixture
def spy(objects: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(objects, monkeypatch)


class Source(io.RawIOBase):
    """A body that is made as it is read, so nobody has it as a whole. `break_at`: the sender leaves there."""

    def __init__(self, size: int, break_at: int | None = None) -> None:
        head = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        head += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        self.pieces = self._pieces(head, size, b"\r\n--x--\r\n", break_at)
        self.length = len(head) + size + len(b"\r\n--x--\r\n")
        self.waiting = b""

    @staticmethod
    def _pieces(head: bytes, size: int, tail: bytes, break_at: int | None) -> Iterator[bytes]:
        yield head
        sent = 0
        while sent < size and (break_at is None or sent < break_at):
            piece = b"y" * min(1 << 20, size - sent)
            sent += len(piece)
            yield piece
        if break_at is None:
            yield tail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.waiting:
            self.waiting = next(self.pieces, b"")
        taken, self.waiting = self.waiting[: len(buffer)], self.waiting[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def stream(http: FlaskClient, source: Source) -> TestResponse:
    head = {"CONTENT_TYPE": "multipart/form-data; boundary=x", "CONTENT_LENGTH": str(source.length)}
    return http.post("/v1/files", environ_overrides=head | {"wsgi.input": source})


def test_a_large_file_goes_through_in_parts(http: FlaskClient, house: Services, spy: Spy) -> None:
    size = 2 * PART_BYTES + 12345
    answer = stream(http, Source(size))
    file = answer.get_json()
    assert answer.status_code == 200, file
    assert spy.parts == [PART_BYTES, PART_BYTES, 12345]
    assert file["bytes"] == size
    assert house.files.file(FileId(file["id"]), DEFAULT_TENANT).num_bytes == len(bytes_of(house, file)) == size


def uploads_left(objects: ObjectStore) -> list[Any]:
    return objects._client.list_multipart_uploads(Bucket="gridpress", Prefix="files/").get("Uploads", [])


def test_a_sender_who_leaves_half_way_leaves_nothing_behind(http: FlaskClient, house: Services, spy: Spy) -> None:
    answer = stream(http, Source(3 * PART_BYTES, break_at=2 * PART_BYTES))
    assert answer.status_code == 400
    assert spy.parts
    assert uploads_left(house.objects) == []
    assert http.get("/v1/files").get_json()["data"] == []


def test_an_object_store_that_goes_away_half_way_is_a_503(http: FlaskClient, house: Services, spy: Spy) -> None:
    spy.fail_at = 2
    answer = stream(http, Source(3 * PART_BYTES))
    assert (answer.status_code, uploads_left(house.objects)) == (503, [])


def test_parts_of_a_process_that_was_killed_are_deleted_in_the_end(
    http: FlaskClient, house: Services, client: Client, monkeypatch: pytest.MonkeyPatch, spy: Spy
) -> None:
    file_id = new_file_id()
    house.files.open(file_id, DEFAULT_TENANT)
    writer = house.objects.writer(file_key(file_id), "application/octet-stream")
    writer.write(b"z" * PART_BYTES)  # and nothing more is heard of it
    assert spy.parts
    assert delete_ended_files(house.files, house.objects) == 0
    client.zadd("gridpress:file_ends", {file_id: 1})
    assert len(uploads_left(house.objects)) == 1
    assert delete_ended_files(house.files, house.objects) == 1
    assert uploads_left(house.objects) == []


def test_lists_page_by_cursor_in_either_order_and_by_purpose(http: FlaskClient) -> None:
    ids = [uploaded(http, purpose=purpose)["id"] for purpose in ("batch", "vision", "batch")]
    page = http.get("/v1/files?limit=2").get_json()
    assert [file["id"] for file in page["data"]] == [ids[2], ids[1]]
    assert (page["object"], page["has_more"], page["first_id"], page["last_id"]) == ("list", True, ids[2], ids[1])
    rest = http.get(f"/v1/files?limit=2&after={page['last_id']}").get_json()
    assert ([file["id"] for file in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    assert [file["id"] for file in http.get("/v1/files?order=asc").get_json()["data"]] == ids
    assert [file["id"] for file in http.get("/v1/files?purpose=vision").get_json()["data"]] == [ids[1]]


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "order=up", "purpose=x", "after=x", "color=red"])
def test_a_query_that_can_not_be_is_refused(http: FlaskClient, query: str) -> None:
    assert http.get(f"/v1/files?{query}").status_code == 400


def test_a_deleted_file_is_gone_at_once_and_its_bytes_soon(http: FlaskClient, house: Services) -> None:
    file = uploaded(http)
    answer = http.delete(f"/v1/files/{file['id']}")
    assert answer.get_json() == {"id": file["id"], "object": "file", "deleted": True}
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert http.open(f"/v1/files/{file['id']}{path}", method=method).status_code == 404
    assert http.get("/v1/files").get_json()["data"] == []
    assert delete_ended_files(house.files, house.objects) == 1
    assert not is_stored(house, file["id"])
    assert delete_ended_files(house.files, house.objects) == 0


def test_an_expired_file_is_gone_at_once_and_its_bytes_soon(http: FlaskClient, house: Services, client: Client) -> None:
    file = uploaded(http)
    client.hset(f"gridpress:file:{file['id']}", "expires_ms", 1)
    client.zadd("gridpress:file_ends", {file["id"]: 1})
    assert http.get(f"/v1/files/{file['id']}").status_code == 404
    assert delete_ended_files(house.files, house.objects) == 1
    assert http.get("/v1/files?purpose=batch").get_json()["data"] == []
    assert not is_stored(house, file["id"])


def test_bytes_that_can_not_be_deleted_now_are_deleted_later(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = uploaded(http)
    http.delete(f"/v1/files/{file['id']}")

    def fail(*_: object) -> None:
        raise ObjectStoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "delete", fail)
        with pytest.raises(ObjectStoreUnavailable):
            delete_ended_files(house.files, house.objects)
    assert is_stored(house, file["id"])
    assert delete_ended_files(house.files, house.objects) == 1
    assert not is_stored(house, file["id"])


def test_content_is_a_link_or_the_bytes(http: FlaskClient, house: Services) -> None:
    file = uploaded(http, name='x"\r\n.html')
    path = f"/v1/files/{file['id']}/content"
    assert http.get(path).status_code == 302
    answer = with_settings(house, s3_links="streamed").get(path)
    assert answer.get_data() == LINES
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{file["id"]}')


def test_a_list_is_of_one_tenant(http: FlaskClient, client: Client) -> None:
    keys = KeyStore(client)
    first, second = (
        {"Authorization": f"Bearer {keys.create(TenantId(name), [Scope.RENDER, Scope.READ])[1]}"}
        for name in ("a1", "b1")
    )
    file = upload(http, headers=first).get_json()
    assert http.get("/v1/files", headers=second).get_json()["data"] == []
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert http.open(f"/v1/files/{file['id']}{path}", method=method, headers=second).status_code == 404
    assert http.get(f"/v1/files/{file['id']}", headers=first).status_code == 200


def test_a_key_makes_one_file(http: FlaskClient, house: Services) -> None:
    key = {"Idempotency-Key": "one"}
    first, second = upload(http, headers=key), upload(http, headers=key)
    assert first.get_json() == second.get_json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert upload(http, LINES + b"{}", headers=key).status_code == 422
    assert upload(http, headers=key, name="other").status_code == 422
    assert len(http.get("/v1/files").get_json()["data"]) == 1
    assert delete_ended_files(house.files, house.objects) == 3
    assert bytes_of(house, first.get_json()) == LINES


def test_a_crash_before_the_answer_is_kept_makes_no_second_file(
    http: FlaskClient, house: Services, client: Client
) -> None:
    key = {"Idempotency-Key": "one"}
    first = upload(http, headers=key).get_json()
    (entry,) = client.keys("gridpress:idempotency:*")
    client.hdel(entry, "answer")
    again = upload(http, headers=key)
    assert (again.get_json(), again.headers["Idempotent-Replayed"]) == (first, "true")


def picture_file(http: FlaskClient, purpose: str = "vision", headers: Any = None) -> str:
    return upload(http, png(512, 544), name="a.png", purpose=purpose, headers=headers).get_json()["id"]


@pytest.mark.parametrize("shape", ["word", "object"])
def test_a_file_serves_as_a_condition_image(http: FlaskClient, house: Services, shape: str) -> None:
    file_id = picture_file(http)
    image = file_id if shape == "word" else {"file_id": file_id}
    job = http.post("/v1/jobs", json={"prompt": "a", "images": [image]}).get_json()
    assert (job["num_condition_images"], job["width"], job["height"]) == (1, 512, 544)
    http.delete(f"/v1/files/{file_id}")
    delete_ended_files(house.files, house.objects)
    (stored,) = house.store.job(job["id"], DEFAULT_TENANT).spec.settings.images
    assert house.objects.get(stored)


@pytest.mark.parametrize(
    "image", ["file-" + "0" * 26, {"file_id": "file-" + "0" * 26}, {"file_id": "x"}, {"file_id": 1}, {"url": "x"}, {}]
)
def test_a_file_that_is_not_there_is_the_fault_of_its_field(http: FlaskClient, image: Any) -> None:
    answer = http.post("/v1/jobs", json={"prompt": "a", "images": [image]})
    assert answer.status_code == 400
    assert answer.get_json()["field"].startswith("images[0]")


def test_a_file_of_another_purpose_or_tenant_or_no_picture_is_no_image(http: FlaskClient, client: Client) -> None:
    batch, broken = uploaded(http)["id"], uploaded(http, purpose="user_data")["id"]
    refused = [http.post("/v1/jobs", json={"prompt": "a", "images": [file]}) for file in (batch, broken)]
    keys = KeyStore(client)
    owner, other = ({"Authorization": f"Bearer {keys.create(TenantId(t), [Scope.ADMIN])[1]}"} for t in ("a1", "b1"))
    own = picture_file(http, headers=owner)
    refused.append(http.post("/v1/jobs", json={"prompt": "a", "images": [own]}, headers=other))
    assert [(answer.status_code, answer.get_json()["code"]) for answer in refused] == [(400, "invalid_image")] * 3


def test_lines_can_be_read_from_where_one_stopped(http: FlaskClient, house: Services) -> None:
    text = b"".join(json.dumps({"n": n, "pad": "p" * (n % 50)}).encode() + b"\n" for n in range(6_000)) + b"last"
    key = file_key(FileId(uploaded(http, text)["id"]))
    lines = list(house.objects.lines(key, most_bytes=1000))
    assert [line for _, line in lines] == text.split(b"\n")
    offset = lines[2500][0]
    assert list(house.objects.lines(key, start=offset, most_bytes=1000)) == lines[2501:]
    assert list(house.objects.lines(key, start=len(text), most_bytes=1000)) == []
    assert max(len(line) for _, line in house.objects.lines(key, most_bytes=10)) == 11


def test_a_file_that_is_still_being_sent_is_not_there(house: Services) -> None:
    file_id = new_file_id()
    house.files.open(file_id, DEFAULT_TENANT)
    with pytest.raises(FileNotStored):
        house.files.file(file_id, DEFAULT_TENANT)
    assert house.files.files(DEFAULT_TENANT, limit=10) == []


def test_an_upload_that_took_longer_than_is_waited_for_is_no_file(house: Services, client: Client) -> None:
    file_id = new_file_id()
    house.files.open(file_id, DEFAULT_TENANT)
    house.files.abandon(file_id)
    assert delete_ended_files(house.files, house.objects) == 1
    end = {"purpose": Purpose.BATCH, "filename": "a", "num_bytes": 1, "sha256": "0", "lifetime_s": None}
    house.objects.put(file_key(file_id), b"x", "text/plain")  # the upload goes on after its bytes were deleted
    with pytest.raises(FileNotStored):
        house.files.close(file_id, DEFAULT_TENANT, **end)
    assert delete_ended_files(house.files, house.objects) == 1
    assert (house.objects.has(file_key(file_id)), client.keys("gridpress:file*")) == (False, [])


def test_times_of_a_file_are_the_stores(house: Services) -> None:
    file_id = new_file_id()
    house.files.open(file_id, DEFAULT_TENANT)
    end = {"purpose": Purpose.VISION, "filename": "a", "num_bytes": 1, "sha256": "0", "lifetime_s": 3600}
    file = house.files.close(file_id, DEFAULT_TENANT, **end)
    assert isinstance(file.created_at, datetime)
    assert file.expires_at
    assert (file.expires_at - file.created_at).total_seconds() == 3600


def test_the_app_answers_files(house: Services) -> None:
    assert create_app(house).test_client().get("/v1/files").get_json() == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
