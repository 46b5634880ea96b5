"""What Celery's own command and Flower get from the app: its name, the broker's address, and no key that stays."""

import json

import pytest
from celery.app.utils import find_app

from shared import celery_app
from shared.celery_app import make_celery
from shared.errors import Misconfigured
from shared.store.core.connect import Client

SECRET = "geheim"


@pytest.fixture
def without_url(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GRIDPRESS_REDIS_URL", "GRIDPRESS_REDIS_URL_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_the_command_finds_an_app_with_the_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPRESS_REDIS_URL", "redis://:pw@store.example:7000/3")
    assert find_app("shared.celery_app").conf.broker_url == "redis://:pw@store.example:7000/3"


@pytest.mark.usefixtures("without_url")
def test_the_command_is_told_which_setting_is_missing() -> None:
    with pytest.raises(Misconfigured, match="set GRIDPRESS_REDIS_URL"):
        find_app("shared.celery_app")
    assert not hasattr(celery_app, "celery")


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("redis://app:p%40s@h:7000/3", "redis://app:p%40s@h:7000/3"),
        ("rediss://:pw@h", "redis://:pw@h:6379/0"),  # Flower takes TLS from broker_use_ssl
        ("unix://:p%40s@/run/store.sock", "redis+socket://:p%40s@/run/store.sock"),
        ("sentinel://:pw@one,two/main", "sentinel://:pw@one:26379/0"),
    ],
)
def test_flower_gets_an_address_of_a_kind_that_it_knows(url: str, uri: str) -> None:
    with make_celery(url).connection_for_write() as connection:
        assert connection.as_uri(include_password=True) == uri
        assert connection.as_uri() == uri.replace(":pw@", ":**@").replace(":p%40s@", ":**@")


@pytest.mark.parametrize(
    "url",
    [f"sentinel://h/main?sentinel_password={SECRET}", f"rediss://h?ssl_password={SECRET}", f"redis://:{SECRET}@h"],
)
def test_statistics_of_a_worker_show_no_password(url: str) -> None:
    with make_celery(url).connection_for_write() as connection:
        shown = {name: value for name, value in connection.info().items() if name != "password"}  # as Celery does
        assert SECRET not in json.dumps(shown, default=str)


def test_a_tool_that_was_killed_leaves_no_key(client: Client, valkey_url: str) -> None:
    with make_celery(valkey_url).connection_for_write() as connection, connection.channel() as channel:
        channel._put("killed.reply.celery.pidbox", {})
        channel._put("ar", {})
    assert 0 < client.ttl("gridpress:celery:killed.reply.celery.pidbox") <= 60
    assert client.ttl("gridpress:celery:ar") == -1


def test_a_queue_of_a_tool_or_of_remote_control_leaves_no_key(client: Client, valkey_url: str) -> None:
    app = make_celery(valkey_url)
    with app.connection_for_write() as connection:
        mailbox = app.control.mailbox(connection)
        for queue in (mailbox.get_queue("dit@host"), mailbox.get_reply_queue()):
            queue(connection.default_channel).declare()
        assert client.keys("gridpress:celery:*pidbox*") == []
