"""The commands about files against the API itself."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.batch.client import BatchClient
from cli.main import main
from cli.stack.servers.seaweedfs import S3Endpoint
from shared.store.core.connect import Client
from tests.api.processes import served
from tests.api.server.test_server import settings_of


@pytest.fixture(scope="module")
def served_url(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(settings_of(s3, tmp_path_factory.mktemp("api")), empty_valkey_url) as api:
        yield f"http://127.0.0.1:{api.port}"


@pytest.fixture
def url(served_url: str, client: Client) -> str:
    """Of an API without files."""
    return served_url


def test_files_are_uploaded_listed_and_deleted(url: str, tmp_path: Path) -> None:
    (tmp_path / "mug.jpg").write_bytes(b"\xff\x00the bytes")

    def files(*arguments: str) -> str:
        return CliRunner().invoke(main, ["files", *arguments, "--url", url]).stdout.strip()

    file_id = files("upload", str(tmp_path / "mug.jpg"))
    assert file_id in files("list", "--purpose", "vision")
    assert files("delete", file_id) == f"{file_id} deleted"
    assert file_id not in files("list")


def test_a_key_uploads_once(url: str) -> None:
    with BatchClient(url) as client:
        ids = {client.upload(io.BytesIO(b"{}\n"), "p.jsonl", key="a-key")["id"] for _ in range(2)}
        assert [file["id"] for file in client.files(10, None)["data"]] == list(ids)
