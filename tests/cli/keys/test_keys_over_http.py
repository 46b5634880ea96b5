"""`gridpress keys` through the API of a real service, and the same commands on its store."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from cli.keys.command import keys
from shared.access.keys import id_of
from shared.access.rights import Rights, Scope
from shared.ids import TenantId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.conftest import hints, house, store  # noqa: F401
from tests.gridpress.client.conftest import url  # noqa: F401

ACME = TenantId("acme")

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _quiet_service() -> Iterator[None]:
    """The service runs in a thread of the test, so what it logs would be on the stdout of the command."""
    with capture_logs():
        yield


@pytest.fixture
def admin(client: Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """The text of an API key of the tenant acme, which the commands send."""
    _, text = KeyStore(client).create(ACME, [Scope.ADMIN])
    monkeypatch.setenv("GRIDPRESS_API_KEY", text)
    return text


@pytest.fixture(params=["service", "store"])
def run(request: pytest.FixtureRequest, admin: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `gridpress keys` in both ways. A command that fails in one line has printed it on stderr."""
    assert admin
    monkeypatch.setenv("GRIDPRESS_REDIS_URL", valkey_url)
    where = ["--url", request.getfixturevalue("url")] if request.param == "service" else []

    def invoke(command: str, *arguments: str) -> Result:
        return CliRunner().invoke(keys, [command, *arguments, *where])

    return invoke


def stored(client: Client, key_id: str) -> Rights:
    found = {key.key_id: key for key in KeyStore(client).all_keys()}
    return found[key_id].rights  # type: ignore[index]


def test_a_key_is_created_with_its_restrictions(run: Run, client: Client) -> None:
    given = ("--scope", "read", "--network", "203.0.113.0/24", "--network", "::1", "--model", "a", "--expires", "30d")
    result = run("create", "--tenant", "acme", "--name", "the shop", *given)
    assert result.exit_code == 0, result.stderr
    text = result.stdout.strip()
    key_id = id_of(text)
    assert key_id
    rights = stored(client, key_id)
    assert (rights.scopes, [str(each) for each in rights.networks]) == ({Scope.READ}, ["203.0.113.0/24", "::1/128"])
    assert rights.models == ("a",)
    assert rights.expires_at
    assert timedelta(days=29) < rights.expires_at - datetime.now(UTC) <= timedelta(days=30)
    assert text not in result.stderr


def test_a_list_shows_no_secret_and_what_restricts_a_key(run: Run) -> None:
    text = run("create", "--tenant", "acme", "--name", "shop", "--network", "203.0.113.0/24").stdout.strip()
    shown = run("list", "--tenant", "acme")
    assert shown.exit_code == 0, shown.stderr
    assert text.rpartition("_")[2] not in shown.stdout
    [row] = [line.split("\t") for line in shown.stdout.splitlines() if line.endswith("\tshop")]
    assert row[:4] == [id_of(text), "acme", "read render", "active"]
    assert row[-2] == "203.0.113.0/24"
    rows = json.loads(run("list", "--tenant", "acme", "--json").stdout)
    assert {"id", "prefix", "last_used_at", "expires_at", "status"} <= rows[0].keys()
    assert len(rows) == 2


def test_a_key_is_rotated_with_an_overlap(run: Run, client: Client) -> None:
    old = id_of(run("create", "--tenant", "acme", "--scope", "read").stdout.strip())
    assert old
    made = json.loads(run("rotate", old[:6], "--overlap", "30min", "--json").stdout)
    assert (made["scopes"], made["tenant"], id_of(made["key"])) == (["read"], "acme", made["id"])
    ends_at = stored(client, old).expires_at
    assert ends_at
    assert timedelta(minutes=29) < ends_at - datetime.now(UTC) <= timedelta(minutes=30)
    again = run("rotate", old)
    assert (again.exit_code, again.stderr.count("\n")) == (1, 1)
    assert "replaced" in again.stderr


def test_a_key_is_changed_and_the_rest_stays(run: Run, client: Client) -> None:
    key_id = id_of(run("create", "--tenant", "acme", "--model", "a", "--network", "::1").stdout.strip())
    assert key_id
    assert run("change", key_id, "--network", "any", "--expires", "2999-01-01T00:00:00Z").exit_code == 0
    assert stored(client, key_id) == Rights(
        frozenset((Scope.READ, Scope.RENDER)), (), ("a",), datetime(2999, 1, 1, tzinfo=UTC)
    )
    assert run("change", f"gp_{key_id}_", "--expires", "never", "--scope", "read").exit_code == 0
    assert stored(client, key_id) == Rights(frozenset((Scope.READ,)), (), ("a",))
    assert run("change", key_id).exit_code == 2


def test_a_key_is_revoked_once_and_for_good(run: Run, client: Client) -> None:
    key_id = id_of(run("create", "--tenant", "acme").stdout.strip())
    assert key_id
    assert run("revoke", key_id).stdout == f"{key_id} revoked\n"
    assert run("revoke", key_id).exit_code == 0
    for refused in (run("change", key_id, "--name", "a"), run("rotate", key_id), run("revoke", "aaaaaaaa")):
        assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [("--network", "10.0.0.1/8"), ("--network", "any", "--network", "::1"), ("--expires", "soon"),
     ("--expires", "2027-01-01T00:00:00"), ("--model", "any", "--model", "a")],
)  # fmt: skip
def test_a_wrong_option_creates_nothing(run: Run, client: Client, wrong: tuple[str, ...]) -> None:
    assert run("create", *wrong).exit_code == 2
    assert len(KeyStore(client).all_keys()) == 1


def test_the_api_refuses_what_the_own_key_lacks_and_names_the_option(url: str, admin: str) -> None:  # noqa: F811
    assert admin
    result = CliRunner().invoke(keys, ["create", "--url", url, "--scope", "operator"])
    assert (result.exit_code, "--scope" in result.stderr, "operator" in result.stderr) == (1, True, True)


def test_through_the_api_a_key_is_for_the_own_tenant(url: str, admin: str, client: Client) -> None:  # noqa: F811
    assert admin
    result = CliRunner().invoke(keys, ["create", "--url", url])
    key_id = id_of(result.stdout.strip())
    assert [key.tenant for key in KeyStore(client).all_keys() if key.key_id == key_id] == [ACME]


@pytest.mark.parametrize("also", [("--data", "."), ("--queued-renders", "3")])
def test_what_belongs_to_the_store_is_not_given_with_an_address(url: str, admin: str, also: tuple[str, ...]) -> None:  # noqa: F811
    assert admin
    assert CliRunner().invoke(keys, ["create", "--url", url, *also]).exit_code == 2
