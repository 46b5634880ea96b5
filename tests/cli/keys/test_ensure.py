"""`gridpress keys ensure` and `generate`: what a deployment runs again and again, on a real store."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.keys.command import keys
from cli.main import main
from cli.stack.servers.valkey import Valkey
from shared.access.keys import Scope, id_of, new_key
from shared.access.limits import TenantLimits
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client

Ensure = Callable[..., Result]


@pytest.fixture
def ensure(valkey_url: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> Ensure:
    """Runs `gridpress keys ensure` with this text in the environment; `client` has emptied the store."""
    monkeypatch.setenv("GRIDPRESS_REDIS_URL", valkey_url)
    return lambda text, *arguments: CliRunner().invoke(
        main, ["keys", "ensure", *arguments], env={"GRIDPRESS_API_KEY": text}
    )


def test_the_given_text_is_a_key_from_then_on(ensure: Ensure, client: Client) -> None:
    _, text = new_key()
    result = ensure(text, "--tenant", "acme", "--scope", "admin", "--requests-per-minute", "60")
    assert result.exit_code == 0
    assert result.stdout == f"key {id_of(text)} of tenant acme: created\n"
    holder = KeyRing(KeyStore(client)).holder(text)
    assert holder
    assert (holder.key.tenant, holder.key.scopes) == ("acme", {Scope.ADMIN})
    assert holder.limits == TenantLimits(requests_per_minute=60)


def test_a_second_run_changes_nothing(ensure: Ensure, client: Client) -> None:
    _, text = new_key()
    ensure(text)
    before = KeyStore(client).all_keys()
    result = ensure(text)
    assert (result.exit_code, result.stdout.endswith(": unchanged\n")) == (0, True)
    assert KeyStore(client).all_keys() == before


@pytest.mark.parametrize("other", [["--tenant", "acme"], ["--scope", "admin"]])
def test_another_tenant_or_scope_is_refused_until_update_is_said(
    ensure: Ensure, client: Client, other: list[str]
) -> None:
    _, text = new_key()
    ensure(text)
    [before] = KeyStore(client).all_keys()
    refused = ensure(text, *other)
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert f"{before.key_id} exists for tenant default with scopes read,render" in refused.stderr
    assert KeyStore(client).all_keys() == [before]
    assert ensure(text, *other, "--update").stdout.endswith(": updated\n")
    assert ensure(text, *other).stdout.endswith(": unchanged\n")


def test_a_revoked_key_is_not_revived(ensure: Ensure, client: Client) -> None:
    _, text = new_key()
    ensure(text)
    [key] = KeyStore(client).all_keys()
    KeyStore(client).revoke(key.key_id)
    result = ensure(text, "--update")
    assert (result.exit_code, "was revoked" in result.stderr) == (1, True)
    assert KeyRing(KeyStore(client)).holder(text) is None


def test_another_secret_with_the_same_id_is_refused_and_changes_nothing(ensure: Ensure, client: Client) -> None:
    (key_id, text), (_, other) = new_key(), new_key()
    ensure(text)
    assert ensure(f"gp_{key_id}_{other.rpartition('_')[2]}", "--update").exit_code == 1
    assert KeyRing(KeyStore(client)).holder(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        pytest.param(new_key()[1].upper(), id="upper case"),
        pytest.param(new_key()[1][:-1], id="a letter short"),
        f"gp_abcdefgh_{'a' * 52}",
        f"gp_abcdefgh_{'abcdefghijklmnopqrstuvwxyz' * 2}",
        f"gp_abcdefgh_{('changeme' * 7)[:52]}",
    ],
)
def test_a_text_of_another_form_or_without_chance_creates_nothing(ensure: Ensure, client: Client, text: str) -> None:
    result = ensure(text)
    assert result.exit_code in {1, 2}
    assert "gridpress keys generate" in result.stderr
    assert not text or text not in result.output
    assert not KeyStore(client).has_any()


def test_the_key_comes_from_a_file_or_stdin_and_loses_its_newline(
    ensure: Ensure, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CliRunner().invoke(keys, ["generate"]).stdout
    assert not KeyStore(client).has_any()
    (tmp_path / "key").write_text(text)
    assert ensure("", "--key-file", str(tmp_path / "key")).exit_code == 0
    assert CliRunner().invoke(keys, ["ensure", "--key-file", "-"], input=text).stdout.endswith(": unchanged\n")
    monkeypatch.setenv("GRIDPRESS_API_KEY_FILE", str(tmp_path / "key"))
    assert ensure("").stdout.endswith(": unchanged\n")
    assert ensure(text.strip()).exit_code == 2


def test_a_key_file_that_is_no_text_is_refused_in_one_line(ensure: Ensure, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"gp_\xff\xfe")
    result = ensure("", "--key-file", str(tmp_path / "key"))
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "is not text" in result.stderr


def test_of_twenty_at_once_one_creates_the_key(client: Client) -> None:
    _, text = new_key()
    store, outcomes = KeyStore(client), list[str]()
    start = threading.Barrier(20)

    def run() -> None:
        start.wait()
        outcomes.append(store.ensure(text, "acme", [Scope.READ])[1])

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["created", *["unchanged"] * 19]
    assert len(store.all_keys()) == 1


def test_without_patience_an_absent_store_fails_in_one_line(ensure: Ensure, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    monkeypatch.setenv("GRIDPRESS_REDIS_URL", f"redis://127.0.0.1:{port}/0")
    result = ensure(new_key()[1], "--wait", "0")
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)


def test_a_store_that_comes_up_is_waited_for(tmp_path: Path) -> None:
    server = Valkey(tmp_path)
    env = {**os.environ, "GRIDPRESS_REDIS_URL": server.url, "GRIDPRESS_API_KEY": new_key()[1]}
    command = [sys.executable, "-m", "cli.main", "keys", "ensure", "--wait", "300"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as waiting:
        server.start()
        try:
            assert waiting.communicate(timeout=300)[0].endswith(": created\n")
        finally:
            server.stop()
