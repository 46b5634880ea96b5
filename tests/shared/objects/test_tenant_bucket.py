"""The bucket of a tenant, on the embedded S3 server: what is written into it, and why it refuses."""

import threading
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from shared.egress.client import EgressClient
from shared.egress.rules import EgressRules
from shared.errors import Misconfigured
from shared.ids import ObjectKey
from shared.objects.bucket_client import BucketClient
from shared.objects.bucket_clients import BucketClients
from shared.objects.bucket_credentials import BucketCredentials
from shared.objects.bucket_errors import BucketRefused, field_and_reason
from shared.objects.sealing import SealBroken, Sealing
from shared.objects.tenant_bucket import TenantBucket
from shared.settings.settings import Settings
from tests.fixtures.buckets import ACME, GLOBEX, ON_LOOPBACK, SEALING, Buckets
from tests.fixtures.http_server import HttpServer, Quiet

KEY = ObjectKey("gridpress/jobs/job_a/0 ö+.png")


def test_it_holds_what_was_written_under_any_name(buckets: Buckets) -> None:
    bucket = buckets.clients.client_of(buckets.place())
    bucket.check()
    assert buckets.keys() == []  # the check leaves nothing
    bucket.put(KEY, b"picture", "image/png")
    parts = [bytes([number]) * 3_000_000 for number in range(6)]
    for name, chunks in {"none": [], "one": [b"a", b"b"], "several": parts}.items():
        bucket.put_parts(ObjectKey(f"gridpress/{name}"), chunks, "application/jsonl")
        assert buckets.read(f"gridpress/{name}") == b"".join(chunks)
    assert buckets.read(KEY) == b"picture"
    assert buckets.keys(GLOBEX) == []


def test_the_client_is_made_anew_when_the_bucket_changes(buckets: Buckets) -> None:
    place = buckets.place()
    first = buckets.clients.client_of(place)
    assert buckets.clients.client_of(place) is first
    changed = buckets.clients.client_of(buckets.place(bucket="globex-pictures"))
    assert changed is not first
    assert changed.place.bucket == "globex-pictures"


@pytest.mark.parametrize("url", [None, "http://S3.internal.:80", "https://files.example.com:443"])
def test_no_client_is_made_for_the_bucket_of_the_service(buckets: Buckets, url: str | None) -> None:
    inside, public = (None, None) if url is None else ("http://s3.internal", "https://files.example.com")
    settings = Settings(s3_endpoint_url=inside, s3_public_endpoint_url=public, s3_bucket="gridpress")
    clients = BucketClients(EgressClient(ON_LOOPBACK), BucketCredentials(settings, SEALING))
    assert clients.client_of(buckets.place(endpoint_url=url))
    own = [buckets.place(endpoint_url=url, bucket="gridpress")]
    if url:
        own.append(buckets.place(endpoint_url=url.replace("://", "://gridpress.")))
    for place in own:
        with pytest.raises(BucketRefused, match="the bucket of the service itself") as refused:
            clients.client_of(place)
        assert refused.value.field == "bucket"


class _SlowToFind(BucketCredentials):
    """Credentials of which the machine tells those of one tenant only after a long time."""

    asked, told = threading.Event(), threading.Event()

    def session_of(self, place: TenantBucket) -> Any:
        if place.tenant == ACME:
            self.asked.set()
            assert self.told.wait(60)
        return super().session_of(place)


def test_credentials_that_are_slow_to_find_hold_up_no_other_tenant(buckets: Buckets) -> None:
    clients = BucketClients(EgressClient(ON_LOOPBACK), _SlowToFind(Settings(), SEALING))
    slow = threading.Thread(target=clients.client_of, args=[buckets.place(ACME)])
    slow.start()
    assert _SlowToFind.asked.wait(60)
    clients.client_of(buckets.place(GLOBEX)).check()
    assert slow.is_alive()
    _SlowToFind.told.set()
    slow.join()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"bucket": "absent"}, "bucket", "no bucket absent"),
        ({"access_key": "nobody"}, "access_key", "does not know|with this access"),
        ({"sealed_secret": SEALING.seal("wrong", ACME)}, "secret_key", "does not belong"),
        ({"sealed_secret": SEALING.seal("stolen", GLOBEX)}, "secret_key", "can't be decrypted"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "endpoint_url", "can't be used"),
        ({"endpoint_url": "http://10.1.2.3:9000"}, "endpoint_url", "can't be used: 10.1.2.3 is private"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_field(
    buckets: Buckets, changes: dict[str, str], field: str, words: str
) -> None:
    with pytest.raises(BucketRefused, match=words) as refused:
        buckets.clients.client_of(buckets.place(**changes)).check()
    assert refused.value.field == field
    assert "\n" not in str(refused.value)
    assert buckets.s3.secret_key not in str(refused.value)


class _Silent(Quiet, BaseHTTPRequestHandler):
    """Accepts a request and never answers."""

    released = threading.Event()

    def do_PUT(self) -> None:
        self.released.wait(60)


def test_a_bucket_that_hangs_is_given_up(buckets: Buckets) -> None:
    credentials = BucketCredentials(Settings(), SEALING)
    with HttpServer(_Silent) as server:
        place = buckets.place(endpoint_url=server.url)
        bucket = BucketClient(place, EgressClient(ON_LOOPBACK), credentials, timeout_s=0.2)
        with pytest.raises(BucketRefused, match="no usable response"):
            bucket.put(KEY, b"picture", "image/png")
        _Silent.released.set()


@pytest.mark.attack
def test_no_address_of_the_own_network_is_called(buckets: Buckets) -> None:
    egress = EgressClient(EgressRules())
    bucket = BucketClient(buckets.place(), egress, BucketCredentials(Settings(), SEALING))
    with pytest.raises(BucketRefused, match="loopback") as refused:
        bucket.check()
    assert refused.value.field == "endpoint_url"


class _Limited(Quiet, BaseHTTPRequestHandler):
    """An S3 server that refuses some methods. POST deletes several objects."""

    refused: ClassVar[set[str]] = set()
    stored: ClassVar[bytes] = b""
    posted = "<DeleteResult></DeleteResult>"

    def do_PUT(self) -> None:
        type(self).stored = self.received()
        self._answer("")

    def do_GET(self) -> None:
        self._answer(
            "<ListBucketResult></ListBucketResult>" if "list-type" in self.path else self.stored.decode("latin-1")
        )

    def do_DELETE(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self.received()
        self._answer(self.posted)

    def _answer(self, text: str) -> None:
        is_refused = self.command in self.refused
        body = f"<Error><Code>{self.command}Denied</Code></Error>".encode() if is_refused else text.encode("latin-1")
        self.send_response(403 if is_refused else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


_STAYS = "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>"


@pytest.mark.parametrize(
    ("refused", "posted", "words"),
    [
        ({"DELETE"}, "<DeleteResult></DeleteResult>", None),  # copies are deleted with POST
        ({"POST"}, "", "may not be deleted from .POSTDenied"),
        (set(), _STAYS, "may not be deleted from: 1 objects stay .AccessDenied"),
        ({"GET"}, "<DeleteResult></DeleteResult>", "may not be read .GETDenied"),
        ({"GET", "POST"}, "", "may not be read .GETDenied"),  # the first error is shown
        ({"PUT", "POST"}, "", "may not be written to .PUTDenied"),
    ],
)
def test_the_check_uses_what_copies_use_and_shows_the_first_error(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch, refused: set[str], posted: str, words: str | None
) -> None:
    monkeypatch.setattr(_Limited, "refused", refused)
    monkeypatch.setattr(_Limited, "posted", posted)
    with HttpServer(_Limited) as server:
        bucket = buckets.clients.client_of(buckets.place(endpoint_url=server.url))
        if words is None:
            assert bucket.check()
            assert not bucket.check(lambda _: True)
        else:
            with pytest.raises(BucketRefused, match=words):
                bucket.check()


class _Careless(Quiet, BaseHTTPRequestHandler):
    """An S3 server that begins uploads and accepts objects, and leaves out a part of its responses."""

    begun: ClassVar[str] = "<UploadId>u</UploadId>"
    deleted: ClassVar[str] = ""

    def do_POST(self) -> None:
        self.received()
        is_deletion = "?delete" in self.path
        self._answer(f"<X>{self.deleted if is_deletion else self.begun}</X>")

    def do_PUT(self) -> None:
        self.received()
        self._answer("")

    def do_HEAD(self) -> None:
        self._answer("")

    def do_DELETE(self) -> None:
        self._answer("")

    def _answer(self, text: str) -> None:
        self.send_response(200)
        if self.command != "HEAD":
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


_TWO_PARTS = [bytes(5 * 2**20)] * 2
_NOT_OF_S3 = "sent a response that is not one of S3"


@pytest.mark.parametrize(
    ("changes", "act", "words"),
    [
        ({}, lambda bucket: bucket.put(KEY, b"picture", "image/png"), _NOT_OF_S3),
        ({}, lambda bucket: bucket.put_parts(KEY, _TWO_PARTS, "application/jsonl"), _NOT_OF_S3),
        ({"begun": ""}, lambda bucket: bucket.put_parts(KEY, _TWO_PARTS, "application/jsonl"), _NOT_OF_S3),
        ({"deleted": "<Error/>"}, lambda bucket: bucket.delete_keys([KEY]), "1 objects stay"),
    ],
)
def test_a_response_without_a_part_of_it_is_a_refusal(
    buckets: Buckets,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    act: Callable[[BucketClient], None],
    words: str,
) -> None:
    for name, text in changes.items():
        monkeypatch.setattr(_Careless, name, text)
    with HttpServer(_Careless) as server:
        bucket = buckets.clients.client_of(buckets.place(endpoint_url=server.url))
        with pytest.raises(BucketRefused, match=words) as refused:
            act(bucket)
        assert "\n" not in str(refused.value)


def test_a_response_has_a_size_limit(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Limited, "posted", "x" * (2 * 2**20 + 1))
    with HttpServer(_Limited) as server:
        bucket = buckets.clients.client_of(buckets.place(endpoint_url=server.url))
        with pytest.raises(BucketRefused, match="too large"):
            bucket.delete_keys([KEY])


class _Sts(Quiet, BaseHTTPRequestHandler):
    """Gives the keys of the embedded server to anybody who asks for a role."""

    asked: ClassVar[list[dict[str, list[str]]]] = []
    keys = ("", "")
    status = 200

    def do_POST(self) -> None:
        self.asked.append(parse_qs(self.received().decode()))
        given = f"<AccessKeyId>{self.keys[0]}</AccessKeyId><SecretAccessKey>{self.keys[1]}</SecretAccessKey>"
        given += "<SessionToken></SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>"
        text = f"<AssumeRoleResponse><AssumeRoleResult><Credentials>{given}</Credentials></AssumeRoleResult>"
        text += "</AssumeRoleResponse>"
        if self.status != 200:
            text = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
        self.send_response(self.status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


ROLE = "arn:aws:iam::123456789012:role/gridpress"


@pytest.mark.parametrize("status", [200, 403])
def test_a_role_is_assumed_for_the_tenant_with_the_external_id(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(_Sts, "keys", (buckets.s3.access_key, buckets.s3.secret_key))
    monkeypatch.setattr(_Sts, "status", status)
    monkeypatch.setattr(_Sts, "asked", [])
    with HttpServer(_Sts) as sts:
        own = Settings(sts_endpoint_url=sts.url, s3_access_key="own", s3_secret_key=SecretStr("own secret"))
        place = buckets.place(access_key=None, sealed_secret=None, role_arn=ROLE, external_id="acme-7")
        bucket = BucketClient(place, EgressClient(ON_LOOPBACK), BucketCredentials(own, SEALING))
        if status == 200:
            bucket.put(KEY, b"picture", "image/png")
            bucket.put(KEY, b"picture", "image/png")
            assert buckets.read(KEY) == b"picture"
        else:
            with pytest.raises(BucketRefused, match="may not assume") as refused:
                bucket.put(KEY, b"picture", "image/png")
            assert refused.value.field == "role_arn"
    (asked,) = _Sts.asked  # once for both objects
    assert (asked["RoleArn"], asked["ExternalId"]) == ([ROLE], ["acme-7"])
    assert asked["RoleSessionName"] == ["gridpress-acme"]


def test_without_key_and_role_the_service_uses_its_own_access(buckets: Buckets) -> None:
    own = Settings(s3_access_key=buckets.s3.access_key, s3_secret_key=SecretStr(buckets.s3.secret_key))
    place = buckets.place(access_key=None, sealed_secret=None)
    assert place.access == "service"
    BucketClient(place, EgressClient(ON_LOOPBACK), BucketCredentials(own, SEALING)).check()


def test_only_objects_in_folders_of_jobs_and_batches_count_as_copies(buckets: Buckets) -> None:
    place = buckets.place()
    ulid = "01h" + "0" * 23
    for key in (f"gridpress/jobs/job_{ulid}/0.png", f"gridpress/batches/batch_{ulid}/line-0.png"):
        assert place.is_copy(key)
    for other in ("gridpress/jobs/mine/a", f"jobs/job_{ulid}/0.png", f"gridpress/jobs/job_{ulid}.txt", "gridpress/a"):
        assert not place.is_copy(other)


def test_a_sealed_secret_opens_with_every_key_and_for_its_owner_alone() -> None:
    old, new = Sealing((bytes(32),)), Sealing((bytes([1]) * 32, bytes(32)))
    sealed = old.seal("secret", ACME)
    assert "secret" not in sealed
    assert old.seal("secret", ACME) != sealed
    assert new.open(sealed, ACME) == "secret"
    for sealing, owner in ((old, GLOBEX), (Sealing((bytes([1]) * 32,)), ACME)):
        with pytest.raises(SealBroken):
            sealing.open(sealed, owner)


_SEALING_KEY = f"gpk_{b64encode(bytes(32)).decode()}"


@pytest.mark.parametrize("text", ["", "gpk_", "gpk_AAAA", _SEALING_KEY[4:], f"{_SEALING_KEY},x"])
def test_an_invalid_sealing_key_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_SEALING_KEY"):
        Sealing.of(Settings(sealing_key=SecretStr(text)))


def test_without_a_sealing_key_nothing_is_written_before_it_is_needed(s3_settings: Settings, buckets: Buckets) -> None:
    clients = BucketClients.of(s3_settings, EgressClient(ON_LOOPBACK))
    clients.client_of(buckets.place(access_key=None, sealed_secret=None)).check()
    assert not list(s3_settings.data_dir.iterdir())
    blocked = s3_settings.model_copy(update={"data_dir": s3_settings.data_dir / "file" / "below"})
    (s3_settings.data_dir / "file").touch()
    with pytest.raises(BucketRefused, match="set GRIDPRESS_SEALING_KEY"):
        BucketClients.of(blocked, EgressClient(ON_LOOPBACK)).client_of(buckets.place())


def test_a_sealing_key_is_made_once(s3_settings: Settings) -> None:
    sealed = Sealing.of(s3_settings).seal("secret", ACME)
    assert Sealing.of(s3_settings).open(sealed, ACME) == "secret"


@pytest.mark.parametrize(
    ("code", "shown"),
    [("SlowDown", "SlowDown"), ("x" * 100_000, "x" * 64), ("a\nb\x1b[31m<c>", "ab31mc"), ("", "")],
)
def test_a_code_of_the_tenants_server_is_shown_in_a_line(buckets: Buckets, code: str, shown: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")
    assert f"({shown})" in field_and_reason(error, buckets.place(), "refuses to write")[1]
