"""No HTTP request without a credential reads or changes anything on a port of an embedded server."""

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import redis

from cli.stack.ports import GRPC_OFFSET
from cli.stack.servers.seaweedfs import SeaweedFS
from cli.stack.servers.valkey import Valkey

pytestmark = pytest.mark.attack

BODY = os.urandom(200_000)  # large enough for a chunk of its own on a volume
KEY = "jobs/one/image.png"
MASTER = (
    "GET /", "GET /ui/index.html", "GET /dir/assign", "POST /dir/assign", "GET /dir/lookup?volumeId=1",
    "GET /dir/status", "GET /col/delete?collection=gridpress", "POST /col/delete?collection=gridpress",
    "GET /vol/grow?count=1", "GET /vol/status", "GET /vol/vacuum", "GET /vol/volumes", "POST /submit",
    "GET /cluster/status", "GET /cluster/healthz", "GET /stats/counter", "GET /stats/memory", "GET /metrics",
    "GET /debug/pprof/", "GET /{fid}", "GET /collection/info",
)  # fmt: skip
VOLUME = (
    "GET /status", "GET /healthz", "GET /ui/index.html", "GET /stats/counter", "GET /stats/memory", "GET /stats/disk",
    "GET /metrics", "GET /debug/pprof/", "GET /favicon.ico", "GET /{fid}", "HEAD /{fid}", "PUT /{fid}", "POST /{fid}",
    "DELETE /{fid}", "OPTIONS /{fid}", "GET /admin/vacuum/check", "GET /admin/assign_volume?volume=9",
)  # fmt: skip
FILER = (
    "GET /", "GET /?pretty=y&limit=9", "GET /buckets/gridpress/", "GET /buckets/gridpress/{key}",
    "GET /buckets/gridpress/{key}?metadata=true", "HEAD /buckets/gridpress/{key}", "PUT /buckets/gridpress/{key}",
    "POST /buckets/gridpress/{key}", "POST /stolen?mv.from=/buckets/gridpress/{key}",
    "POST /copied?cp.from=/buckets/gridpress/{key}", "PUT /buckets/gridpress/{key}?tagging",
    "DELETE /buckets/gridpress/{key}", "DELETE /buckets?recursive=true&ignoreRecursiveError=true",
    "GET /healthz", "GET /metrics", "GET /debug/pprof/", "GET /stats/health", "GET /etc/s3/sse_kek",
    "OPTIONS /buckets/gridpress/{key}", "POST /.tus/buckets/gridpress/{key}", "PROPFIND /",
)  # fmt: skip
S3 = (
    "GET /", "GET /gridpress", "GET /gridpress?list-type=2", "GET /gridpress?policy", "GET /gridpress?acl",
    "GET /gridpress?cors", "GET /gridpress?uploads", "GET /gridpress?versions", "GET /gridpress/{key}",
    "HEAD /gridpress/{key}", "GET /gridpress/{key}?acl", "PUT /gridpress/{key}", "PUT /gridpress/new",
    "PUT /gridpress?policy", "PUT /gridpress?acl", "PUT /another", "POST /gridpress", "POST /gridpress?delete",
    "POST /gridpress/{key}?uploads", "DELETE /gridpress/{key}", "DELETE /gridpress", "GET /metrics",
    "GET /debug/pprof/", "POST /?Action=ListUsers&Version=2010-05-08",
    "POST /?Action=CreateUser&UserName=mallory&Version=2010-05-08",
    "POST /?Action=CreateAccessKey&UserName=gridpress&Version=2010-05-08",
    "POST /?Action=GetCallerIdentity&Version=2011-06-15",
    "POST /?Action=AssumeRoleWithWebIdentity&RoleArn=a&RoleSessionName=b&WebIdentityToken=c&Version=2011-06-15",
    "GET /gridpress/{key}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20260101%2Fus-east-1%2Fs3%2F"
    "aws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=00",
    "GET /gridpress/{key}?AWSAccessKeyId=a&Expires=9999999999&Signature=b",
)  # fmt: skip
# 200 without a byte of content, for load balancers and for browsers; SeaweedFS has no switch for them.
S3_EMPTY = ("GET /healthz", "GET /status", "OPTIONS /gridpress/{key}")
REQUESTS = [("master", each) for each in MASTER] + [("volume", each) for each in VOLUME]
REQUESTS += [("filer", each) for each in FILER] + [("s3", each) for each in S3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    server = SeaweedFS(tmp_path_factory.mktemp("closed"))
    server.start()
    with s3_client(server) as client:
        client.put_object(Bucket="gridpress", Key=KEY, Body=BODY)
    yield server
    server.stop()


def s3_client(server: SeaweedFS) -> Any:
    end = server.endpoint
    keys = {"aws_access_key_id": end.access_key, "aws_secret_access_key": end.secret_key}
    return _Closing(boto3.client("s3", endpoint_url=end.url, region_name="us-east-1", **keys))


class _Closing:
    def __init__(self, client: Any) -> None:
        self._client = client

    def __enter__(self) -> Any:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def fid(server: SeaweedFS) -> str:
    """Where the object's bytes lie, as a part with a certificate learns it."""
    found = with_certificate(server, "filer", f"GET /buckets/gridpress/{KEY}?metadata=true").json()
    return str(found["chunks"][0]["file_id"])


def with_certificate(server: SeaweedFS, part: str, line: str) -> httpx.Response:
    context = ssl.create_default_context(cafile=str(server.security / "ca.pem"))
    context.load_cert_chain(server.security / "cert.pem", server.security / "key.pem")
    method, _, path = line.partition(" ")
    return httpx.request(method, f"https://127.0.0.1:{server.ports[part]}{path}", verify=context, timeout=5)


def response_to(port: int, line: str, scheme: str) -> httpx.Response | None:
    """None for a connection that ended without one."""
    method, _, path = line.partition(" ")
    content = b"overwritten" if method in ("PUT", "POST") else None
    try:
        return httpx.request(method, f"{scheme}://127.0.0.1:{port}{path}", content=content, verify=False, timeout=5)
    except httpx.TransportError:
        return None


def is_whole(server: SeaweedFS) -> bool:
    with s3_client(server) as client:
        names = [each["Key"] for each in client.list_objects_v2(Bucket="gridpress")["Contents"]]
        return names == [KEY] and client.get_object(Bucket="gridpress", Key=KEY)["Body"].read() == BODY


@pytest.mark.parametrize(("part", "line"), REQUESTS)
def test_a_request_without_a_credential_reads_and_changes_nothing(
    server: SeaweedFS, fid: str, part: str, line: str
) -> None:
    for scheme in ("http", "https"):
        answer = response_to(server.ports[part], line.format(fid=fid, key=KEY), scheme)
        assert answer is None or answer.status_code >= 400
        assert answer is None or len(answer.content) < 1000
    if not line.startswith(("GET", "HEAD")) or "delete" in line:
        assert is_whole(server)


@pytest.mark.parametrize("line", S3_EMPTY)
def test_pages_that_cannot_be_closed_are_empty(server: SeaweedFS, line: str) -> None:
    answer = response_to(server.ports["s3"], line.format(key=KEY), "http")
    assert answer is not None
    assert answer.content == b""


@pytest.mark.parametrize("part", ["master", "volume", "filer", "s3"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_ports_of_grpc_answer_nobody_without_a_certificate(server: SeaweedFS, part: str, scheme: str) -> None:
    answer = response_to(server.ports[part] + GRPC_OFFSET, "POST /master_pb.Seaweed/CollectionDelete", scheme)
    assert answer is None or answer.status_code >= 400
    # HTTP/2 without TLS, which gRPC clients without certificates speak
    with socket.create_connection(("127.0.0.1", server.ports[part] + GRPC_OFFSET), timeout=5) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        assert b"\0\0\0\4" not in connection.recv(1000)


@pytest.mark.parametrize(
    ("part", "line"),
    [("master", "GET /dir/status"), ("volume", "GET /{fid}"), ("filer", f"GET /buckets/gridpress/{KEY}")],
)
def test_the_same_request_with_a_certificate_is_answered(server: SeaweedFS, fid: str, part: str, line: str) -> None:
    assert with_certificate(server, part, line.format(fid=fid)).status_code == 200


def test_a_folder_of_an_earlier_version_starts_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SeaweedFS(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("cli.stack.servers.seaweedfs.write_security", lambda folder: folder.mkdir())
        old.start()
    assert response_to(old.ports["master"], "GET /dir/status", "http").status_code == 200  # type: ignore[union-attr]
    with s3_client(old) as client:
        client.put_object(Bucket="gridpress", Key=KEY, Body=BODY)
    old.stop()
    new = SeaweedFS(tmp_path)
    new.start()
    try:
        assert is_whole(new)
        assert response_to(new.ports["master"], "GET /dir/status", "http").status_code == 400  # type: ignore[union-attr]
    finally:
        new.stop()


def test_certificates_are_for_their_owner_only_and_new_at_every_start(tmp_path: Path) -> None:
    server = SeaweedFS(tmp_path)
    server.command()
    before = (server.security / "key.pem").read_bytes()
    server.command()
    assert before != (server.security / "key.pem").read_bytes()
    assert {file.stat().st_mode & 0o077 for file in server.security.iterdir()} == {0}


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET stolen 1\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET stolen 1\r\n",
        b"PUT /x HTTP/1.1\r\nhost: x\r\n\r\nFLUSHALL\r\n",
        b"SET stolen 1\r\nKEYS *\r\n",
        b"FLUSHALL\r\nHost: x\r\n",
        b"EVAL \"return redis.call('flushall')\" 0\r\n",
    ],
)
def test_valkey_answers_no_http_and_nobody_without_its_password(tmp_path: Path, request_bytes: bytes) -> None:
    server = Valkey(tmp_path)
    client = redis.Redis.from_url(server.start())
    try:
        client.set("job", "kept")
        with socket.create_connection(("127.0.0.1", client.get_connection_kwargs()["port"]), timeout=5) as connection:
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(1000), b""))
        assert all(line.startswith(b"-") for line in answer.splitlines())
        assert client.keys() == [b"job"]
    finally:
        client.close()
        server.stop()
