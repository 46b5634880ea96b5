"""An API with a key behind each proxy of `deploy/proxy/`. Skips where the proxy's program is not installed."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme
from pydantic import SecretStr

from cli.stack.ports import free_ports
from cli.stack.servers.seaweedfs import S3Endpoint
from shared.settings.settings import Settings
from shared.store.access.keys import KeyStore
from shared.store.core.connect import connect
from tests.api.processes import served
from tests.proxy.fronts import FILES, SUB_PATH, Certificate, Front, program, running

LIMIT_S = 60


@dataclass(frozen=True)
class Behind:
    """A client of an API behind a proxy."""

    front: Front
    http: httpx.Client


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder, authority = tmp_path_factory.mktemp("certificate"), trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    found = Certificate(folder / "chain.pem", folder / "key.pem", folder / "authority.pem")
    for number, blob in enumerate(made.cert_chain_pems):
        blob.write_to_path(str(found.chain), append=number > 0)
    made.private_key_pem.write_to_path(str(found.key))
    authority.cert_pem.write_to_path(str(found.authority))
    return found


@pytest.fixture(scope="module", params=FILES)
def front(request: pytest.FixtureRequest, certificate: Certificate) -> Front:
    found = Front(request.param, free_ports(1)[0], certificate)
    if not program(found.program):
        pytest.skip(f"{found.program} is not installed")
    return found


@pytest.fixture(scope="module")
def key(empty_valkey_url: str) -> str:
    with connect(empty_valkey_url) as client:
        return KeyStore(client).create("acme", ["render", "read"])[1]


@pytest.fixture(scope="module")
def behind(
    front: Front, key: str, s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("front")
    settings = Settings(s3_endpoint_url=s3.url, s3_access_key=s3.access_key, s3_secret_key=SecretStr(s3.secret_key))
    settings = settings.model_copy(update={"data_dir": folder})
    given = {"PUBLIC_URL": front.url, "TRUSTED_PROXIES": "127.0.0.1", "API_PROCESSES": 1}
    links = "streamed" if front.url.endswith(SUB_PATH) else "presigned"
    with (
        served(settings, empty_valkey_url, S3_LINKS=links, **given) as api,
        running(front, api.port, folder / "proxy"),
        client(front, key) as http,
    ):
        yield Behind(front, http)


def client(front: Front, key: str = "") -> httpx.Client:
    """A client that trusts the test's authority."""
    fields = {"Authorization": f"Bearer {key}"} if key else {}
    context = trusting(front)
    return httpx.Client(base_url=front.url, headers=fields, verify=context, timeout=LIMIT_S, trust_env=False)


def trusting(front: Front) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(front.certificate.authority))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "proxy"
