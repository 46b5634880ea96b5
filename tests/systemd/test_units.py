"""The units of `deploy/systemd/`: systemd takes them, and their values fit the settings."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.process.starting import EXIT_MISCONFIGURED
from shared.settings.secret_files import SECRETS, file_variable
from shared.settings.settings import Settings
from shared.settings.unknown_variables import known_variables

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
API, WORKER, KEYS = "gridpress-api.service", "gridpress-worker@.service", "gridpress-keys.service"
SERVICES = [API, WORKER, KEYS]
ROLES = ["ar", "dit", "delivery", "batches", "upkeep", "enhance"]
MOST_EXPOSED = 30  # tenths; systemd calls up to 4.0 OK

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def text_of(unit: str) -> str:
    return (FOLDER / unit).read_text()


def values(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text_of(unit), re.MULTILINE)


@needs_systemd
@pytest.mark.parametrize("unit", [*SERVICES, "gridpress.target"])
def test_systemd_takes_a_unit(unit: str, tmp_path: Path) -> None:
    for other in FOLDER.glob("gridpress*"):
        text = other.read_text()  # it checks that programs exist
        text = text.replace("/opt/gridpress/bin/python", sys.executable)
        text = text.replace("/opt/gridpress/bin/gridpress", sys.executable)
        (tmp_path / other.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_a_process_may_do_little_beyond_its_work(unit: str) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", str(FOLDER / unit)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-500:]


@pytest.mark.parametrize("unit", [API, WORKER])
def test_a_stop_leaves_time_to_drain_and_a_wrong_setting_is_not_tried_again(unit: str) -> None:
    drain_grace_s = Settings.model_fields["drain_grace_s"].default
    assert values(unit, "TimeoutStopSec") == [f"{drain_grace_s + 15:.0f}"]
    assert values(unit, "RestartPreventExitStatus") == [str(EXIT_MISCONFIGURED)]
    assert (values(unit, "Restart"), values(unit, "WatchdogSec")) == (["always"], [])


@pytest.mark.parametrize("unit", SERVICES)
def test_secrets_are_credentials_and_nowhere_else(unit: str) -> None:
    credentials = {line.partition(":")[0] for line in values(unit, "LoadCredential")}
    given = dict(line.split("=") for line in values(unit, "Environment"))
    files = {file_variable(name): f"%d/{name}" for name in credentials & SECRETS}
    assert {name: value for name, value in given.items() if value.startswith("%d/")} == files
    assert {name for name in given if name.startswith("GRIDPRESS_")} <= known_variables()


def test_the_example_has_settings_that_exist_and_no_secret() -> None:
    names = set(re.findall(r"^(\w+)=", text_of("gridpress.env.example"), re.MULTILINE))
    assert names
    assert names <= known_variables() - {f"GRIDPRESS_{name.upper()}" for name in SECRETS}


@pytest.mark.parametrize("instance", [*ROLES, "dit-0", "dit-second"])
def test_an_instance_is_a_role_with_what_tells_it_apart_from_others(instance: str) -> None:
    [start] = values(WORKER, "ExecStart")
    script = re.fullmatch(r"/bin/sh -c '(.*)' %i", start)
    assert script
    said = script[1].replace("$$", "$").replace("%%", "%").replace("exec /opt/gridpress/bin/python", "echo")
    shown = subprocess.run(["/bin/sh", "-c", said, instance], capture_output=True, text=True, check=True).stdout
    role = instance.partition("-")[0]
    assert shown == f"-P -m workers.{role}\n"
    assert (FOLDER.parents[1] / "workers" / role / "__main__.py").exists()
