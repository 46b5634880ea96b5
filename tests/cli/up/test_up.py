"""`gridpress up` before anything runs: what it refuses, and what it hands to its children."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from cli.main import main
from cli.stack.lock import folder_lock
from cli.stack.ports import LOOPBACK, free_ports
from cli.stack.roles import WorkerCounts, environment, num_cores, share_of_cores, tiers
from cli.stack.servers.valkey import Valkey
from cli.up.command import open_note, up, while_open
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.settings.settings import Settings
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.cli.stack.test_ports import listen

COUNTS = WorkerCounts(ar=1, dit=2, threads=3)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_up_refuses_to_open_an_unguarded_api_to_the_network(host: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["up", "--host", host, "--data", str(tmp_path / "data")])
    assert result.exit_code == 2
    assert "no API key" in result.stderr
    assert f"`gridpress keys create --data {tmp_path / 'data'}`" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("has_key", [False, True])
def test_up_listens_beyond_loopback_once_a_key_exists(
    has_key: bool, tmp_path: Path, valkey_url: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key it goes on to the next check: whether somebody serves the folder."""
    monkeypatch.setenv("GRIDPRESS_REDIS_URL", valkey_url)
    if has_key:
        KeyStore(client).create(TenantId("acme"), [Scope.READ])
    with folder_lock(tmp_path):
        command = ["up", "--host", "0.0.0.0", "--port", str(free_ports(1)[0]), "--data", str(tmp_path)]
        result = CliRunner().invoke(main, command)
    assert ("is served already" if has_key else "gridpress keys create") in result.stderr


def test_up_says_that_its_port_is_taken(tmp_path: Path) -> None:
    with listen() as server:
        port = server.getsockname()[1]
        result = CliRunner().invoke(main, ["up", "--port", str(port), "--data", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (3, f"gridpress: port {port} is taken: name another one with --port\n")


def test_up_keeps_off_a_folder_that_is_served(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        result = CliRunner().invoke(main, ["up", "--port", str(free_ports(1)[0]), "--data", str(tmp_path)])
    assert result.exit_code == 3
    assert "is served already" in result.stderr


def names_of(settings: Settings, *servers: Valkey) -> list[list[str]]:
    return [[role.name for role in tier] for tier in tiers(settings, COUNTS, servers)]


def test_there_is_one_process_a_role_and_servers_come_first(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    ours = ["api-0", "ar-0", "dit-0", "dit-1", "delivery-0", "batch-0", "upkeep-0"]
    assert names_of(settings, Valkey(tmp_path)) == [["valkey-0"], ours]
    assert names_of(settings) == [ours]


def test_a_process_for_prompts_starts_only_where_there_is_an_endpoint(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, enhance_base_url="http://127.0.0.1:1/v1")
    assert set(names_of(settings)[0]) - set(names_of(Settings(data_dir=tmp_path))[0]) == {"enhance-0"}


def test_a_child_reads_the_same_settings_that_we_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPRESS_LEASE_TTL_S", "7.5")
    given = Settings(data_dir=tmp_path, port=1234, s3_secret_key=SecretStr("hush"), model=None)
    given = given.model_copy(update={"enhance_extra_body": {"thinking": {"type": "disabled"}}})
    variables = environment(given)
    assert variables["GRIDPRESS_S3_SECRET_KEY"] == "hush"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Settings() == given


def test_every_setting_that_up_offers_has_the_settings_own_default() -> None:
    offered = {option.name: option.default for option in up.params if option.name in Settings.model_fields}
    assert offered == {name: Settings.model_fields[name].default for name in offered}
    assert {"host", "port", "data_dir", "model", "threads"} <= offered.keys()


def role(name: str, settings: Settings) -> dict[str, str]:
    return next(dict(found.command.env) for found in tiers(settings, COUNTS, ())[0] if found.name == name)


def test_threads_are_for_the_torch_roles(tmp_path: Path) -> None:
    names = ("GRIDPRESS_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    found = {name: role(name, Settings(data_dir=tmp_path)) for name in ("ar-0", "dit-1", "upkeep-0")}
    assert [{env[name] for name in names} for env in found.values()] == [{"3"}, {"3"}, {"1"}]


def test_every_worker_has_a_ready_file_of_its_own(tmp_path: Path) -> None:
    files = [role(name, Settings(data_dir=tmp_path))["GRIDPRESS_READY_FILE"] for name in ("dit-0", "dit-1")]
    assert files == [str(tmp_path / "run" / f"dit-{index}.ready") for index in range(2)]


def test_loopback_goes_around_every_proxy_that_the_user_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "internal.example")
    assert role("api-0", Settings(data_dir=tmp_path))["NO_PROXY"].split(",")[:2] == ["internal.example", LOOPBACK]


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("HF_HUB_OFFLINE", "0")])
def test_a_process_inherits_what_the_operator_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    assert name in role("ar-0", Settings(data_dir=tmp_path, model="demo"))
    monkeypatch.setenv(name, value)
    assert role("ar-0", Settings(data_dir=tmp_path, model="demo")).get(name, value) == value


def test_a_model_in_a_folder_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert "HF_HUB_OFFLINE" in role("ar-0", Settings(data_dir=tmp_path, model=str(tmp_path)))
    assert "HF_HUB_OFFLINE" in role("ar-0", Settings(data_dir=tmp_path, model="demo"))
    assert "HF_HUB_OFFLINE" not in role("ar-0", Settings(data_dir=tmp_path, model="zai-org/GLM-Image"))


def test_cores_are_shared_out_and_everybody_gets_one() -> None:
    assert share_of_cores(1) == num_cores()
    assert share_of_cores(0) == num_cores()
    assert share_of_cores(100 * num_cores()) == 1


@pytest.mark.attack
def test_webhooks_may_lead_to_this_machine_until_the_first_key_and_up_says_so(tmp_path: Path, client: Client) -> None:
    settings, keys = while_open(Settings(data_dir=tmp_path)), KeyStore(client)
    handed_on = environment(settings)["GRIDPRESS_EGRESS_ALLOW_WHILE_OPEN"]
    assert handed_on == "127.0.0.0/8,::1/128,localhost"
    assert f"GRIDPRESS_EGRESS_ALLOW_WHILE_OPEN={handed_on}" in str(open_note(settings, keys))
    keys.create(TenantId("acme"), [Scope.READ])
    assert open_note(settings, keys) is None


@pytest.mark.parametrize("given", [{"host": "0.0.0.0"}, {"egress_allow_while_open": ""}])
def test_up_allows_nothing_beyond_loopback_or_where_it_was_told_not_to(given: dict[str, str], client: Client) -> None:
    settings = while_open(Settings(**given))  # type: ignore[arg-type]
    assert settings.egress_allow_while_open == ""
    assert open_note(settings, KeyStore(client)) is None
