"""A variable that is no setting is told once, with the nearest one that is."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.stack.ports import free_ports
from shared.settings.unknown_variables import Unknown, unknown

SAID = "GRIDPRESS_UNKNOWN_SAID"


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("GRIDPRESS_REDIS_ULR", "GRIDPRESS_REDIS_URL"),
        ("gridpress_dit_slot", "GRIDPRESS_DIT_SLOTS"),
        ("GRIDPRESS_DRAIN_GRACE", "GRIDPRESS_DRAIN_GRACE_S"),
        ("GRIDPRESS_S3_SECRET_FILE", "GRIDPRESS_S3_SECRET_KEY_FILE"),
        ("GRIDPRESS_XYZZY", None),
    ],
)
def test_a_wrong_name_has_the_nearest_right_one(variable: str, nearest: str | None) -> None:
    assert unknown({variable: "1"}) == [Unknown(variable, nearest)]


def test_what_somebody_reads_or_kubernetes_sets_is_not_told() -> None:
    environ = {
        "GRIDPRESS_PORT": "8000",
        "gridpress_port": "8000",
        "GRIDPRESS_REDIS_URL_FILE": "/run/secrets/redis_url",
        "GRIDPRESS_API_KEY": "gp_",
        "GRIDPRESS_URL": "http://here",
        "GRIDPRESS_API_SERVICE_HOST": "10.0.0.1",
        "GRIDPRESS_API_SERVICE_PORT_HTTP": "8000",
        "GRIDPRESS_API_PORT": "tcp://10.0.0.1:8000",
        "GRIDPRESS_API_PORT_8000_TCP_ADDR": "10.0.0.1",
        "OTHER_GRIDPRESS": "",
    }
    assert unknown(environ) == []
    assert unknown({"GRIDPRESS_API_PORT": "8000"}) == [Unknown("GRIDPRESS_API_PORT", "GRIDPRESS_PORT")]


def test_a_command_tells_in_a_line_of_stderr_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SAID, "")
    monkeypatch.setenv("GRIDPRESS_REDIS_ULR", "redis://here")
    result = CliRunner().invoke(main, ["keys", "generate"])
    assert result.exit_code == 0
    assert result.stderr == "gridpress: GRIDPRESS_REDIS_ULR is no setting: did you mean GRIDPRESS_REDIS_URL?\n"
    assert CliRunner().invoke(main, ["keys", "generate"]).stderr == ""  # as in a process that it started


@pytest.mark.parametrize(("said", "num_told"), [("", 1), ("1", 0)])
def test_a_role_tells_in_its_log_unless_its_parent_has(said: str, num_told: int) -> None:
    nowhere = f"redis://127.0.0.1:{free_ports(1)[0]}"
    env = {**os.environ, "GRIDPRESS_REDIS_URL": nowhere, "GRIDPRESS_REDIS_ULR": nowhere, SAID: said}
    command = [sys.executable, "-m", "workers.upkeep"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    told = [line for line in ended.stderr.splitlines() if "settings.unknown" in line]
    assert len(told) == num_told
    for line in told:
        event = json.loads(line)
        assert (event["variable"], event["nearest"]) == ("GRIDPRESS_REDIS_ULR", "GRIDPRESS_REDIS_URL")


def test_a_port_that_kubernetes_set_says_so() -> None:
    env = {**os.environ, "GRIDPRESS_PORT": "tcp://10.0.0.1:8000"}
    ended = subprocess.run([sys.executable, "-m", "api"], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 78
    assert "enableServiceLinks: false" in ended.stderr
