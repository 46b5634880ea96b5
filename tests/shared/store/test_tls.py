"""`rediss://`: every connection checks the store's certificate, the broker's too."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from kombu import Connection
from kombu.exceptions import OperationalError
from pydantic import ValidationError

from shared.celery_app import make_celery
from shared.errors import StoreUnavailable
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect, connect_with_timeout
from tests.shared.store.tls_relay import relay


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def secured(valkey_url: str, port: int) -> str:
    return f"rediss://:{urlsplit(valkey_url).password}@127.0.0.1:{port}/0"


@pytest.fixture
def tls_url(valkey_url: str, client: Client, authority: trustme.CA) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with relay(context, ("127.0.0.1", urlsplit(valkey_url).port or 0)) as port:
        yield secured(valkey_url, port)


def url_of(settings: Settings) -> str:
    assert settings.redis_url
    return settings.redis_url


def broker(url: str) -> Connection:
    return make_celery(url).connection_for_write()


def send(url: str) -> None:
    with broker(url) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        connection.Producer().publish({}, routing_key="ar", retry=False)


def test_all_connections_work_with_the_authoritys_file(tls_url: str, ca_file: Path, client: Client) -> None:
    url = url_of(Settings(redis_url=tls_url, redis_ca_file=ca_file))
    for one in (connect(url), connect_with_timeout(url, 2)):
        with one:
            assert one.ping()
    send(url)
    assert client.llen("gridpress:celery:ar") == 1
    with broker(url) as connection:
        assert connection.channel().basic_get("ar")


def test_without_the_file_nothing_is_sent(tls_url: str) -> None:
    url = url_of(Settings(redis_url=tls_url))
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        connect(url)
    with pytest.raises(OperationalError, match="certificate verify failed"):
        send(url)


def test_a_certificate_of_another_name_is_refused(
    valkey_url: str, client: Client, authority: trustme.CA, ca_file: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("other.example.com").configure_cert(context)
    with relay(context, ("127.0.0.1", urlsplit(valkey_url).port or 0)) as port:
        url = url_of(Settings(redis_url=secured(valkey_url, port), redis_ca_file=ca_file))
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            connect(url)
        with pytest.raises(OperationalError, match="certificate verify failed"):
            send(url)


def test_a_store_that_wants_certificates_of_its_clients_gets_them(
    valkey_url: str, client: Client, authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    own = authority.issue_cert("worker.example.com")
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    files = {"redis_ca_file": ca_file, "redis_cert_file": tmp_path / "cert.pem", "redis_key_file": tmp_path / "key.pem"}
    with relay(context, ("127.0.0.1", urlsplit(valkey_url).port or 0)) as port:
        url = url_of(Settings(redis_url=secured(valkey_url, port), **files))
        with connect(url) as one:
            assert one.ping()
        send(url)
        with pytest.raises(StoreUnavailable):
            connect(url_of(Settings(redis_url=secured(valkey_url, port), redis_ca_file=ca_file)))


def test_a_file_beside_a_url_without_tls_is_refused(ca_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="the certificate would not be used"):
        Settings(redis_url="redis://127.0.0.1", redis_ca_file=ca_file)
    with pytest.raises(ValidationError, match="can't be read: No such file"):
        Settings(redis_url="rediss://127.0.0.1", redis_ca_file=tmp_path / "nothing")


def test_the_settings_of_a_role_are_taken_as_they_are_by_the_roles_that_it_starts(ca_file: Path) -> None:
    once = Settings(redis_url="rediss://:a%40b@127.0.0.1/0?ssl_check_hostname=false", redis_ca_file=ca_file)
    assert Settings(redis_url=once.redis_url, redis_ca_file=ca_file).redis_url == once.redis_url
