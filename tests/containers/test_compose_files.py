"""The Compose files agree with the settings and with the list of their variables. Needs no engine."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import yaml

from shared.settings.settings import Settings

_FOLDER = Path(__file__).parents[2] / "deploy" / "compose"
_MARGIN_S = 15  # for a worker that has drained to leave


def _files() -> str:
    return "".join((_FOLDER / name).read_text() for name in ("compose.yaml", "gpu.yaml", "demo.yaml"))


def test_every_variable_is_in_the_example_of_env_with_its_default() -> None:
    used = set(re.findall(r"\$\{([A-Z_0-9]+)", _files()))
    listed = dict(re.findall(r"^#([A-Z_0-9]+)=(\S*)", (_FOLDER / ".env.example").read_text(), re.MULTILINE))
    assert used == listed.keys()
    defaults = dict(re.findall(r"\$\{([A-Z_0-9]+):-([^${}]*)\}", (_FOLDER / "compose.yaml").read_text()))
    assert {name: listed[name] for name in defaults} == defaults


def test_no_other_container_can_get_the_address_of_the_proxy_that_the_api_trusts() -> None:
    text = (_FOLDER / "compose.yaml").read_text()
    [network] = yaml.safe_load(text)["networks"]["default"]["ipam"]["config"]
    subnet, handed_out = (ip_network(_default(network[name])) for name in ("subnet", "ip_range"))
    [address] = {ip_address(found) for found in re.findall(r"\$\{PROXY_ADDRESS:-([\d.]+)\}", text)}
    assert address in subnet
    assert address not in handed_out
    assert handed_out.subnet_of(subnet)


def _default(variable: str) -> str:
    return variable.partition(":-")[2].rstrip("}")


def test_a_container_has_the_drains_grace_and_a_margin_to_stop() -> None:
    text = _files()
    grace_s = Settings.model_fields["drain_grace_s"].default
    assert f"${{DRAIN_GRACE_S:-{grace_s:.0f}}}" in text
    assert f"${{STOP_GRACE:-{grace_s + _MARGIN_S:.0f}s}}" in text


def test_the_images_have_the_version_of_the_service() -> None:
    [version] = re.findall(r'^version = "(.+)"', (_FOLDER.parents[1] / "pyproject.toml").read_text(), re.MULTILINE)
    tags = re.findall(r":-gridpress-\w+:([\w.]+)\}", _files())
    assert set(tags) == {version}


def test_every_setting_that_compose_gives_is_one() -> None:
    names = {name.removesuffix("_FILE") for name in re.findall(r"^ +GRIDPRESS_([A-Z_0-9]+):", _files(), re.MULTILINE)}
    assert names <= {name.upper() for name in Settings.model_fields}
