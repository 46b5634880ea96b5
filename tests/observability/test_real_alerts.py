"""What breaks in a real service fires its alert in a real Prometheus, and what heals ends it."""

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from cli.demo.service import service
from cli.stack.ports import free_ports
from tests.observability.coverage import Source
from tests.observability.files import RULES
from tests.observability.prometheus import BINARY, prometheus
from tests.observability.traffic import receiver, traffic

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.skipif(BINARY is None, reason="prometheus is missing: Debian's package `prometheus` has it"),
]

LIMIT_S = 120.0
EVERY_S = 3  # a page with a frozen role takes up to two seconds, and a scrape may not outlast its interval


@dataclass(frozen=True)
class Observed:
    source: Source
    run_dir: Path

    def fires(self, alert: str, **labels: str) -> bool:
        more = "".join(f', {name}="{value}"' for name, value in labels.items())
        return bool(self.source.ask(f'ALERTS{{alertname="{alert}", alertstate="firing"{more}}}'))

    def signal(self, role: str, number: int) -> None:
        os.kill(int((self.run_dir / f"{role}.pid").read_text()), number)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("alerts")
    port = free_ports(1)[0]
    with pytest.MonkeyPatch.context() as patch, receiver() as receiver_url:
        patch.setenv("GRIDPRESS_METRICS_PORT", str(port))
        with (
            service(folder / "service", "simulate:ar=50ms,dit=100ms") as url,
            prometheus(folder, [f"127.0.0.1:{port}"], EVERY_S, impatient(folder)) as address,
            traffic(url, receiver_url, folder),
            Source(address) as source,
        ):
            yield Observed(source, folder / "service" / "run")


def impatient(folder: Path) -> list[Path]:
    """The rules without the time that a condition has to last."""
    files = [folder / file.name for file in RULES]
    for file, shipped in zip(files, RULES, strict=True):
        file.write_text(re.sub(r"\n +for: .*", "", shipped.read_text()))
    return files


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


@pytest.mark.parametrize(
    ("role", "alert", "labels"),
    [
        ("dit-0", "GridpressNoWorkers", {"stage": "dit"}),
        ("delivery-0", "GridpressTargetDown", {"role": "delivery-0"}),
        ("seaweedfs-0", "GridpressObjectStoreNotWritable", {}),
        ("upkeep-0", "GridpressUpkeepNotTicking", {}),
        ("valkey-0", "GridpressStoreErrors", {}),
    ],
)
def test_a_frozen_role_fires_its_alert(observed: Observed, role: str, alert: str, labels: dict[str, str]) -> None:
    eventually(lambda: not observed.fires(alert, **labels), f"{alert} fires beforehand")
    observed.signal(role, SIGSTOP)
    try:
        eventually(lambda: observed.fires(alert, **labels), f"{alert} does not fire")
    finally:
        observed.signal(role, SIGCONT)
    if alert != "GridpressStoreErrors":  # its rate is one of five minutes
        eventually(lambda: not observed.fires(alert, **labels), f"{alert} does not end")
