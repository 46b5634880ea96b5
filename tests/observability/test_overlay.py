"""The Compose overlay keeps what it adds to itself, and Prometheus asks the roles that Compose runs."""

import re
from typing import Any

import pytest
import yaml

from tests.observability.files import CHECKOUT, FOLDER

OVERLAY = CHECKOUT / "deploy" / "compose" / "observability.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(OVERLAY.read_text())["services"]
OWN = {name: service for name, service in SERVICES.items() if "image" in service}
ROLES = SERVICES.keys() - OWN.keys()


@pytest.mark.parametrize("name", OWN)
def test_a_container_can_write_only_where_it_must_and_is_not_root(name: str) -> None:
    service = OWN[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert int(service["user"].split(":")[0]) > 0


@pytest.mark.parametrize("name", OWN)
def test_an_image_is_of_one_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+\}$", OWN[name]["image"])


def test_ports_are_open_on_loopback_unless_a_variable_says_otherwise() -> None:
    ports = [port for service in OWN.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(port.startswith("${OBSERVE_ADDRESS:-127.0.0.1}:") for port in ports)


def test_what_is_mounted_from_the_checkout_exists() -> None:
    mounts = [mount.split(":")[0] for service in OWN.values() for mount in service.get("volumes", ())]
    files = [OVERLAY.parent / mount for mount in mounts if mount.startswith("..")]
    assert len(files) == 6
    assert all(file.exists() for file in files)


def test_prometheus_asks_every_role_that_sends_spans() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    found = {name for each in config["scrape_configs"][0]["dns_sd_configs"] for name in each["names"]}
    assert found == ROLES


def test_spans_go_to_the_port_that_the_collector_opens() -> None:
    collector = yaml.safe_load((FOLDER / "otel-collector.yaml").read_text())
    port = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].split(":")[-1]
    sent_to = {
        service["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] for name, service in SERVICES.items() if name in ROLES
    }
    assert sent_to == {f"http://otel-collector:{port}"}
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= collector[kind].keys()
