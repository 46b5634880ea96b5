"""Files by the unmodified `openai` client."""

from collections.abc import Iterator

import httpx
import openai
import pytest

from api.app import create_app
from api.services import Services
from tests.api.conftest import with_settings

LINES = b'{"custom_id": "a"}\n' * 1000


def a_client(app: object) -> openai.OpenAI:
    transport = httpx.WSGITransport(app=app)  # type: ignore[arg-type]
    http = httpx.Client(transport=transport, follow_redirects=True)
    return openai.OpenAI(api_key="any", base_url="http://localhost/v1", max_retries=0, http_client=http)


@pytest.fixture
def files(house: Services) -> Iterator[openai.resources.Files]:
    with a_client(create_app(house)) as client:
        yield client.files


def test_a_file_lives_from_upload_to_deletion(files: openai.resources.Files) -> None:
    lifetime = {"anchor": "created_at", "seconds": 7200}
    file = files.create(file=("in.jsonl", LINES), purpose="batch", expires_after=lifetime)
    assert (file.bytes, file.filename, file.purpose, file.status) == (len(LINES), "in.jsonl", "batch", "processed")
    assert file.expires_at == file.created_at + 7200
    assert files.retrieve(file.id) == file
    assert files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        files.retrieve(file.id)


def test_its_pages_are_followed(files: openai.resources.Files) -> None:
    ids = [files.create(file=("a.png", b"x"), purpose="vision").id for _ in range(3)]
    assert [file.id for file in files.list(limit=1, order="asc")] == ids
    assert [file.id for file in files.list(purpose="batch")] == []


def test_content_comes_as_bytes(house: Services) -> None:
    app = with_settings(house, s3_links="streamed").application
    with a_client(app) as client:
        file = client.files.create(file=("in.jsonl", LINES), purpose="batch")
        assert client.files.content(file.id).read() == LINES


def test_a_key_makes_one_file(files: openai.resources.Files) -> None:
    key = {"Idempotency-Key": "one"}
    first, second = (files.create(file=("a", LINES), purpose="batch", extra_headers=key) for _ in range(2))
    assert first == second


def test_a_wrong_purpose_is_a_bad_request(files: openai.resources.Files) -> None:
    with pytest.raises(openai.BadRequestError):
        files.create(file=("a", LINES), purpose="fine-tune")
