"""A real Prometheus on loopback, with the rules of deploy/observability. Debian's package brings it."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from cli.stack.ports import free_ports
from tests.observability.files import FOLDER, RULES

BINARY = shutil.which("prometheus")
_START_LIMIT_S = 30.0


def configuration(targets: Sequence[str], every_s: int, rules: Sequence[Path]) -> Mapping[str, object]:
    """The shipped configuration, with other targets and a shorter interval."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": f"{every_s}s", "evaluation_interval": f"{every_s}s"}
    config["rule_files"] = [str(file) for file in rules]
    del config["alerting"]
    config["scrape_configs"] = [{"job_name": "gridpress", "static_configs": [{"targets": list(targets)}]}]
    return config


@contextmanager
def prometheus(
    folder: Path, targets: Sequence[str], every_s: int = 1, rules: Sequence[Path] = tuple(RULES)
) -> Iterator[str]:
    """Runs while the block runs; yields its URL."""
    assert BINARY
    (folder / "prometheus.yml").write_text(json.dumps(configuration(targets, every_s, rules)))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    paths = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    with (folder / "prometheus.log").open("wb") as log:
        command = [BINARY, *paths, f"--web.listen-address={address}"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait_until_ready(process, f"http://{address}")
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("Prometheus did not start")
