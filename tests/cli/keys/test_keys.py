"""`gridpress keys` on real stores: one that is named, one of a folder that is served, one of a folder that is not."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.keys import first
from cli.keys.command import keys
from cli.stack.lock import folder_lock
from cli.stack.servers.valkey import Valkey
from shared.access.keys import Scope, id_of
from shared.access.limits import TenantLimits
from shared.store.access.keys import KeyStore
from shared.store.audit.audit import AuditStore
from shared.store.core.connect import Client

Run = Callable[..., Result]


@pytest.fixture
def run(valkey_url: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `gridpress keys` against the store of this session, which `client` has emptied."""
    monkeypatch.setenv("GRIDPRESS_REDIS_URL", valkey_url)
    return in_folder(None)


def in_folder(data_dir: Path | None) -> Run:
    where = ["--data", str(data_dir)] if data_dir else []
    return lambda command, *arguments: CliRunner().invoke(keys, [command, *arguments, *where], catch_exceptions=False)


def test_a_new_key_is_all_that_stdout_holds(run: Run, client: Client) -> None:
    result = run("create", "--tenant", "acme", "--scope", "admin")
    text = result.stdout.strip()
    key_id = id_of(text)
    assert key_id
    key = KeyStore(client).find(key_id)
    assert key
    assert key.is_proved_by(text)
    assert (key.tenant, key.scopes) == ("acme", {Scope.ADMIN})
    assert text not in result.stderr


def test_a_key_may_render_and_read_unless_something_else_is_said(run: Run, client: Client) -> None:
    key_id = id_of(run("create").stdout.strip())
    assert key_id
    key = KeyStore(client).find(key_id)
    assert key
    assert (key.tenant, key.scopes) == ("default", {Scope.RENDER, Scope.READ})


def test_a_list_shows_every_key_and_no_secret(run: Run) -> None:
    text = run("create", "--tenant", "acme").stdout.strip()
    shown = run("list")
    assert id_of(text) in shown.stdout
    assert text.rpartition("_")[2] not in shown.stdout
    [row] = json.loads(run("list", "--json").stdout)
    assert (row["tenant"], row["scopes"], row["last_used_at"], row["revoked_at"]) == (
        "acme",
        ["read", "render"],
        None,
        None,
    )


def test_a_revoked_key_is_listed_as_such(run: Run) -> None:
    key_id = id_of(run("create").stdout.strip())
    assert run("revoke", key_id).exit_code == 0
    [row] = json.loads(run("list", "--json").stdout)
    assert row["revoked_at"]


def test_revoking_what_is_no_key_fails_in_one_line(run: Run) -> None:
    result = run("revoke", "aaaaaaaa")
    assert result.exit_code == 1
    assert result.stderr == "gridpress: no API key aaaaaaaa\n"


def test_limits_are_set_with_a_key_or_later_and_lifted_by_0(run: Run, client: Client) -> None:
    run("create", "--tenant", "acme", "--requests-per-minute", "600", "--queued-renders", "9")
    shown = run("limits", "--tenant", "acme", "--queued-renders", "0", "--pixels-per-day", "1000000")
    assert KeyStore(client).limits("acme") == TenantLimits(requests_per_minute=600, pixels_per_day=1_000_000)
    assert "requests per minute: 600" in shown.stdout
    assert "queued renders: no limit" in shown.stdout


@pytest.mark.parametrize("arguments", [["--tenant", "Acme Inc"], ["--scope", "root"], ["--queued-renders", "-1"]])
def test_a_wrong_option_creates_nothing(run: Run, client: Client, arguments: list[str]) -> None:
    assert run("create", *arguments).exit_code == 2
    assert not KeyStore(client).has_any()


def test_a_folder_that_nobody_serves_keeps_keys_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDPRESS_REDIS_URL", raising=False)
    run = in_folder(tmp_path)
    key_id = id_of(run("create").stdout.strip())
    assert [row["id"] for row in json.loads(run("list", "--json").stdout)] == [key_id]
    assert not list((tmp_path / "run").glob("*.pid"))


def test_a_folder_that_is_served_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDPRESS_REDIS_URL", raising=False)
    server = Valkey(tmp_path)
    with folder_lock(tmp_path):
        server.start()
        try:
            key_id = id_of(in_folder(tmp_path)("create").stdout.strip())
            assert [row["id"] for row in json.loads(in_folder(tmp_path)("list", "--json").stdout)] == [key_id]
            assert server.is_ready()
        finally:
            server.stop()


def test_a_new_key_says_where_it_is_stored(run: Run, valkey_url: str) -> None:
    said = run("create").stderr
    assert "stored in the store redis://" in said
    assert "@" not in said


def test_no_key_is_made_in_a_folder_that_nobody_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDPRESS_REDIS_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    result = in_folder(None)("create")
    assert result.exit_code == 2
    assert "--data" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("tenant", "is_told"), [("acme", True), ("default", False)])
def test_the_first_key_is_told_whose_the_pictures_of_the_open_time_are(
    run: Run, client: Client, tenant: str, is_told: bool
) -> None:
    client.zadd("gridpress:jobs:default", {"job_1": 0})
    assert ("keys create --tenant default" in run("create", "--tenant", tenant).stderr) == is_told
    assert "keys create --tenant default" not in run("create", "--tenant", "other").stderr


@pytest.mark.parametrize(("answer", "tenant"), [(True, "default"), (False, "acme")])
def test_a_person_may_take_over_the_pictures_of_the_open_time(
    run: Run, client: Client, monkeypatch: pytest.MonkeyPatch, answer: bool, tenant: str
) -> None:
    client.zadd("gridpress:jobs:default", {"job_1": 0})
    monkeypatch.setattr(first, "is_answered", lambda: True)
    monkeypatch.setattr(click, "confirm", lambda *_, **__: answer)
    run("create", "--tenant", "acme")
    assert [key.tenant for key in KeyStore(client).all_keys()] == [tenant]


def test_keys_and_limits_are_told_as_json(run: Run) -> None:
    made = json.loads(run("create", "--json", "--queued-renders", "3").stdout)
    assert id_of(made["key"]) == made["id"]
    assert json.loads(run("limits", "--json").stdout)["queued_renders"] == 3
    assert json.loads(run("revoke", made["id"][:6], "--json").stdout)["revoked_at"]


def test_every_change_of_the_store_is_in_the_audit_log(run: Run, client: Client) -> None:
    text = run("create", "--tenant", "acme", "--weight", "2").stdout.strip()
    key_id = text[3:11]
    run("rotate", key_id)
    run("change", key_id, "--name", "x")
    run("revoke", key_id)
    run("revoke", "aaaaaaaa")
    run("limits", "--tenant", "acme", "--queued-renders", "9")
    run("limits", "--tenant", "acme")
    run("list")
    acts = AuditStore(client, 3600, 99).acts(None, limit=99)[::-1]
    assert [(act.act.split()[-1], act.status, act.code) for act in acts] == [
        ("create", 200, None), ("create", 200, None), ("rotate", 200, None), ("change", 200, None),
        ("revoke", 200, None), ("revoke", None, "KeyNotFound"), ("limits", 200, None),
    ]  # fmt: skip
    assert {(act.tenant, act.key_id, act.address) for act in acts} == {(None, None, None)}
    assert acts[0].facts.keys() == {"of_tenant", "scopes", "key_id", "user", "host"}
    assert acts[1].facts["weight"] == 2
    assert text[12:] not in "".join(client.hvals("gridpress:acts"))
