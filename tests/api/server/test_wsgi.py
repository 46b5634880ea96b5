"""The API as a process of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from api import wsgi
from api.app import create_app
from api.edge.authentication import is_open
from api.quotas import Quotas
from api.wsgi import compose
from cli.stack.ports import free_ports
from shared.access.keys import Scope
from shared.errors import Misconfigured, StoreUnavailable
from shared.ids import TenantId
from shared.process import background
from shared.process.starting import EXIT_MISCONFIGURED
from shared.settings.settings import Settings
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.processes import TIMEOUT_S, environment, served, start

QUOTAS = Quotas.of(Settings())


def unused_port() -> int:
    [port] = free_ports(1)
    return port


def last_words(env: dict[str, str]) -> str:
    """The only line of a process that cannot start."""
    process = start(env)
    _, text = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == EXIT_MISCONFIGURED
    [line] = text.splitlines()
    return line


def test_it_serves_until_sigterm(s3_settings: Settings, valkey_url: str, client: Client) -> None:
    with served(s3_settings, valkey_url) as api, api.client() as http:
        assert http.get("/readyz").json()["checks"] == {"store": "ok", "object_store": "ok"}
        job = http.post("/v1/jobs", json={"prompt": "a red kite"})
        assert job.status_code == 202
        secret = http.get("/v1/webhooks/secret").json()["secret"]
        with http.stream("GET", f"/v1/jobs/{job.json()['id']}/events") as stream:
            lines = stream.iter_lines()
            next(lines)
            api.stop()
            assert [line for line in lines if line.startswith("event")][-1] == "event: server.stopping"
        assert api.process.wait(TIMEOUT_S) == 0
    [kept] = [path for path in (s3_settings.data_dir / "secrets").iterdir() if path.read_text().strip() == secret]
    assert kept.stat().st_mode & 0o077 == 0


def test_a_missing_store_is_one_line_that_says_how_to_get_it(s3_settings: Settings) -> None:
    line = last_words(environment(s3_settings))
    assert "gridpress up" in line
    assert "GRIDPRESS_REDIS_URL" in line


def refusal(settings: Settings, **changes: object) -> str:
    with pytest.raises((Misconfigured, StoreUnavailable)) as caught:
        compose(settings.model_copy(update=changes), QUOTAS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_store_that_does_not_answer_is_named_with_its_setting(s3_settings: Settings) -> None:
    assert "GRIDPRESS_REDIS_URL" in refusal(s3_settings, redis_url=f"redis://127.0.0.1:{unused_port()}/0")


def test_it_starts_during_an_outage_of_the_object_store_and_says_that_it_is_not_ready(
    s3_settings: Settings, valkey_url: str
) -> None:
    dead = f"http://127.0.0.1:{unused_port()}"
    house = compose(s3_settings.model_copy(update={"redis_url": valkey_url, "s3_endpoint_url": dead}), QUOTAS)
    answer = create_app(house).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["checks"]["object_store"] == "object_store_unavailable"


def test_no_object_store_at_all_is_named_with_its_setting(
    s3_settings: Settings, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    nothing = {"s3_endpoint_url": None, "s3_access_key": None, "s3_secret_key": None}
    assert "GRIDPRESS_S3_ENDPOINT_URL" in refusal(s3_settings, redis_url=valkey_url, **nothing)


def test_addresses_that_are_none_are_named(s3_settings: Settings, valkey_url: str) -> None:
    hidden = "pass-word"
    said = refusal(s3_settings, redis_url=f"http://:{hidden}@127.0.0.1:6379")
    assert "GRIDPRESS_REDIS_URL" in said
    assert hidden not in said
    assert "nowhere" in refusal(s3_settings, redis_url=valkey_url, s3_endpoint_url="nowhere")


def test_what_the_object_store_lacks_is_named_with_its_setting(s3_settings: Settings, valkey_url: str) -> None:
    assert "GRIDPRESS_S3_BUCKET" in refusal(s3_settings, redis_url=valkey_url, s3_bucket="another")
    wrong_key = SecretStr("wrong")
    assert "GRIDPRESS_S3_SECRET_KEY" in refusal(s3_settings, redis_url=valkey_url, s3_secret_key=wrong_key)


@pytest.mark.parametrize("given", ["whsec_", "whsec_c2hvcnQ=", "c2hvcnQ=" * 8, "whsec_not base64 but long enough...."])
def test_a_webhook_secret_that_cannot_sign_is_refused(s3_settings: Settings, valkey_url: str, given: str) -> None:
    assert "GRIDPRESS_WEBHOOK_SECRET" in refusal(s3_settings, redis_url=valkey_url, webhook_secret=SecretStr(given))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "pictures.example.com", ""])
def test_without_a_key_it_refuses_to_listen_beyond_loopback(
    s3_settings: Settings, valkey_url: str, client: Client, host: str
) -> None:
    assert "gridpress keys create" in refusal(s3_settings, redis_url=valkey_url, host=host)


def test_with_a_key_it_listens_anywhere(s3_settings: Settings, valkey_url: str, client: Client) -> None:
    KeyStore(client).create(TenantId("acme"), [Scope.READ])
    house = compose(s3_settings.model_copy(update={"redis_url": valkey_url, "host": "0.0.0.0"}), QUOTAS)
    assert not is_open(house)


def test_a_setting_that_cannot_be_read_is_named(s3_settings: Settings) -> None:
    assert "GRIDPRESS_PORT" in last_words(environment(s3_settings, PORT="eighty"))


@pytest.mark.attack
def test_a_thread_that_ends_in_one_process_leaves_the_others_ready(
    s3_settings: Settings, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    settings = s3_settings.model_copy(update={"redis_url": valkey_url, "ready_file": ready})
    monkeypatch.setattr(background._process, "end_role", None)  # put back after the test
    background.end_role_with_its_threads(ready)
    ready.touch()

    def serve_in_one_process(compose_app: Callable[[], object], *_: object) -> None:
        compose_app()

    monkeypatch.setattr(wsgi, "serve", serve_in_one_process)
    wsgi.run(settings)
    ended = list[int]()
    monkeypatch.setattr(background.os, "_exit", ended.append)
    background._process.end_role()
    assert ended == [background.EXIT_THREAD_LOST]
    assert ready.exists()
