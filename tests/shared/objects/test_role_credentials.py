"""An object store without keys in the settings: boto3's own chain gives them, as on a machine that has a role."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import boto3
import pytest
from pydantic import SecretStr

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.errors import Misconfigured, ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.objects.store import ObjectStore, open_objects
from shared.settings.settings import Settings

KEY = ObjectKey("role/picture.png")
TOKEN = "a token of the cluster"
_STS = """\
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAWEBIDENTITY</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>session</SessionToken><Expiration>{until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>
"""


class Role(ThreadingHTTPServer):
    """Hands out credentials as a container's metadata service does. They soon expire, so each use asks anew."""

    def __init__(self, endpoint: S3Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys = {"AccessKeyId": endpoint.access_key, "SecretAccessKey": endpoint.secret_key, "Token": ""}
        self.num_asked = 0
        self.is_down = False


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """As a container's metadata service."""
        role = self.server
        assert isinstance(role, Role)
        role.num_asked += 1
        self._answer(json.dumps({**role.keys, "Expiration": _soon()}), 500 if role.is_down else 200)

    def do_POST(self) -> None:
        """As AWS STS, which takes a web identity for credentials."""
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        assert asked["WebIdentityToken"] == [TOKEN]
        self._answer(_STS.format(until=_soon()))

    def _answer(self, text: str, status: int = 200) -> None:
        said = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        return


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps what it found


@pytest.fixture
def role(s3: S3Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Role]:
    with Role(s3) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.server_port}/role")
        yield server
        server.shutdown()


def test_pictures_are_written_read_and_linked_by_the_role_alone(role: Role, s3: S3Endpoint) -> None:
    objects = open_objects(Settings(s3_endpoint_url=s3.url))
    objects.put(KEY, b"a picture", "image/png")
    assert objects.get(KEY) == b"a picture"
    assert s3.access_key in objects.presign(KEY, filename="a.png", content_type="image/png")


def test_credentials_that_expire_are_asked_for_again(role: Role, s3: S3Endpoint) -> None:
    objects = open_objects(Settings(s3_endpoint_url=s3.url))
    before = role.num_asked
    objects.put(KEY, b"a picture", "image/png")
    assert role.num_asked > before


def test_a_role_whose_service_is_down_is_an_outage_and_no_mistake(role: Role, s3: S3Endpoint) -> None:
    role.is_down = True
    with pytest.raises(ObjectStoreUnavailable, match="credentials"):
        ObjectStore(Settings())


def test_with_a_role_and_no_endpoint_it_is_aws(role: Role) -> None:
    objects = ObjectStore(Settings(s3_region="eu-central-1"))
    link = objects.presign(KEY, filename="a.png", content_type="image/png")
    assert link.startswith("https://s3.eu-central-1.amazonaws.com/gridpress/role/picture.png?")


def test_the_web_identity_of_a_service_account_signs(
    role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/gridpress")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{role.server_port}")
    link = ObjectStore(Settings()).presign(KEY, filename="a.png", content_type="image/png")
    assert "X-Amz-Credential=ASIAWEBIDENTITY" in link
    assert "X-Amz-Security-Token=session" in link


def test_without_endpoint_keys_and_role_a_role_is_told_what_to_do() -> None:
    with pytest.raises(Misconfigured, match="no object store: run `gridpress up`"):
        ObjectStore(Settings())


def test_an_endpoint_without_any_credentials_is_named_at_the_start(s3: S3Endpoint) -> None:
    with pytest.raises(Misconfigured, match="or give this machine a role"):
        ObjectStore(Settings(s3_endpoint_url=s3.url)).check()


@pytest.mark.parametrize("given", [{"s3_access_key": "a"}, {"s3_secret_key": SecretStr("b")}])
def test_half_a_pair_of_keys_is_refused(given: dict[str, object], s3: S3Endpoint) -> None:
    with pytest.raises(Misconfigured, match="one is set without the other"):
        ObjectStore(Settings(s3_endpoint_url=s3.url, **given))


def test_empty_settings_are_as_good_as_none(role: Role) -> None:
    objects = ObjectStore(Settings(s3_endpoint_url="", s3_access_key="", s3_secret_key=SecretStr("")))
    assert objects.presign(KEY, filename="a.png", content_type="image/png").startswith("https://s3.")
