"""The embedded servers, for real: they keep their data, ask for their keys, and listen on loopback only."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import redis
from botocore.exceptions import ClientError
from pydantic import SecretStr

from cli.stack.servers.choice import with_servers
from cli.stack.servers.embedded import Embedded
from cli.stack.servers.seaweedfs import S3Endpoint, SeaweedFS
from cli.stack.servers.valkey import Valkey
from shared.errors import Misconfigured
from shared.objects.links import streams_links
from shared.settings.settings import Settings


@contextmanager
def running(server: Embedded) -> Iterator[psutil.Process]:
    server.launch()
    try:
        yield psutil.Process(int((server.data_dir / "run" / f"{server.role}-0.pid").read_text()))
    finally:
        server.stop()


@contextmanager
def store(url: str) -> Iterator["redis.Redis"]:
    client = redis.Redis.from_url(url, decode_responses=True)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def objects(endpoint: S3Endpoint, secret_key: str | None = None) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=secret_key or endpoint.secret_key,
    )
    try:
        yield client
    finally:
        client.close()


def test_valkey_keeps_what_it_acknowledged_through_a_kill(tmp_path: Path) -> None:
    first = Valkey(tmp_path)
    with running(first) as process, store(first.url) as client:
        client.set("job", "kept")
        process.send_signal(signal.SIGKILL)
        process.wait()
    second = Valkey(tmp_path)
    with running(second), store(second.url) as client:
        assert client.get("job") == "kept"


def test_valkey_asks_for_its_password(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    wrong = server.url.replace("redis://:", "redis://:x")
    with running(server), store(wrong) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_valkey_syncs_every_write_and_evicts_nothing(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    with running(server), store(server.url) as client:
        settings = {name: client.config_get(name)[name] for name in ("appendonly", "appendfsync", "maxmemory-policy")}
    assert settings == {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def test_valkey_works_in_a_folder_with_an_awkward_name(tmp_path: Path) -> None:
    folder = tmp_path / 'my "data" folder é'
    folder.mkdir()
    server = Valkey(folder)
    with running(server), store(server.url) as client:
        assert client.ping()
    assert (folder / "valkey" / "appendonlydir").is_dir()


def test_seaweedfs_keeps_its_objects_through_kills_and_new_ports(tmp_path: Path) -> None:
    bodies = {f"pictures/{index}.png": os.urandom(1000 * (index + 1)) for index in range(20)}
    first, second = SeaweedFS(tmp_path), SeaweedFS(tmp_path)
    assert first.endpoint.url != second.endpoint.url
    with running(first), objects(first.endpoint) as client:
        for key, body in bodies.items():
            client.put_object(Bucket="gridpress", Key=key, Body=body)
    with running(second), objects(second.endpoint) as client:
        client.put_object(Bucket="gridpress", Key="later", Body=b"later")
        found = {key: client.get_object(Bucket="gridpress", Key=key)["Body"].read() for key in bodies}
    assert found == bodies


def test_seaweedfs_asks_for_its_keys_and_makes_no_bucket_by_itself(tmp_path: Path) -> None:
    server = SeaweedFS(tmp_path)
    with running(server):
        with (
            objects(server.endpoint, "another key") as client,
            pytest.raises(ClientError, match="SignatureDoesNotMatch"),
        ):
            client.list_buckets()
        with objects(server.endpoint) as client, pytest.raises(ClientError, match="NoSuchBucket"):
            client.put_object(Bucket="another", Key="key", Body=b"")


def test_servers_listen_on_loopback_only_and_hide_their_secrets(tmp_path: Path) -> None:
    for server in (Valkey(tmp_path), SeaweedFS(tmp_path)):
        with running(server) as process:
            listening = [item.laddr.ip for item in process.net_connections("tcp") if item.status == psutil.CONN_LISTEN]
            assert set(listening) == {"127.0.0.1"}
            command_line = " ".join(process.cmdline())
            assert all(file.read_text() not in command_line for file in (tmp_path / "secrets").iterdir())


def test_seaweedfs_never_phones_home(tmp_path: Path) -> None:
    assert "-master.telemetry=false" in SeaweedFS(tmp_path).command().argv


def test_seaweedfs_leaves_no_sockets_behind(tmp_path: Path) -> None:
    before = set(Path("/tmp").glob("seaweedfs-*.sock"))
    server = SeaweedFS(tmp_path)
    with running(server):
        ours = set(server.ports.values())
    left = set(Path("/tmp").glob("seaweedfs-*.sock")) - before
    assert not [path for path in left if any(str(port) in path.name for port in ours)]


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey" / "appendonlydir").write_text("not a folder")
    with pytest.raises(Misconfigured, match="appendonlydir"):
        Valkey(tmp_path).start()
    assert not (tmp_path / "run" / "valkey-0.pid").exists()


def test_the_embedded_object_store_takes_the_keys_that_the_operator_chose(tmp_path: Path) -> None:
    given = {"s3_access_key": "mine", "s3_secret_key": SecretStr("hush")}
    for names in (("s3_access_key", "s3_secret_key"), ("s3_secret_key",), ()):
        chosen = {name: given[name] for name in names}
        settings = with_servers(Settings(data_dir=tmp_path, **chosen))[0]  # type: ignore[arg-type]
        assert {name: getattr(settings, name) for name in names} == chosen
        assert settings.s3_access_key
        assert settings.s3_secret_key
        assert settings.s3_secret_key.get_secret_value()


def test_servers_that_the_settings_name_are_not_started(tmp_path: Path) -> None:
    given = {"redis_url": "redis://store.example", "s3_endpoint_url": "http://s3.example"}
    for name, server in (("redis_url", "seaweedfs"), ("s3_endpoint_url", "valkey")):
        settings, servers = with_servers(Settings(data_dir=tmp_path, **{name: given[name]}))  # type: ignore[arg-type]
        assert [found.role for found in servers] == [server]
        assert getattr(settings, name) == given[name]
    assert with_servers(Settings(data_dir=tmp_path, **given)) == (Settings(data_dir=tmp_path, **given), [])  # type: ignore[arg-type]


def test_links_are_streamed_from_the_embedded_object_store_unless_the_operator_says_otherwise(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0"):
        assert streams_links(with_servers(Settings(data_dir=tmp_path, host=host))[0])
    assert not streams_links(with_servers(Settings(data_dir=tmp_path, s3_links="presigned"))[0])


def test_valkey_starts_again_after_half_a_write(tmp_path: Path) -> None:
    first = Valkey(tmp_path)
    with running(first), store(first.url) as client:
        client.set("job", "kept")
    (log,) = (tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof")
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$3\r\njob\r\n$4\r\nlo")
    second = Valkey(tmp_path)
    with running(second), store(second.url) as client:
        assert client.get("job") == "kept"
        client.set("job", "mended")
