"""Defines the roles of the service: the command, environment and readiness check of each process. Starts nothing."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr

from cli.stack.ports import LOOPBACK, free_ports
from cli.stack.processes.child import Command
from cli.stack.processes.readiness import ReadyFile
from cli.stack.processes.supervised_role import Role
from cli.stack.servers.embedded import Embedded
from shared import demo_model
from shared.settings.secret_files import given_by_file
from shared.settings.settings import Settings

_MODULES = {
    "api": "api",
    "ar": "workers.ar",
    "dit": "workers.dit",
    "delivery": "workers.delivery",
    "enhance": "workers.enhance",
    "batch": "workers.batches",
    "upkeep": "workers.upkeep",
}
_LISTING_S = 10.0
_GRACE_MARGIN_S = 5.0  # a worker hands over its work within drain_grace_s; its process then needs time to end


@dataclass(frozen=True, slots=True)
class WorkerCounts:
    """The number of AR workers and of DiT workers, and the CPU threads that each of them uses.

    `environment` has environment variables for single workers by name, such as the GPU of `dit-3`.
    """

    ar: int
    dit: int
    threads: int
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def share_of_cores(num_workers: int) -> int:
    """Returns the CPU threads for each of `num_workers`: an equal share of the usable cores, at least one."""
    return max(1, num_cores() // max(1, num_workers))


def num_cores() -> int:
    """Returns the number of CPU cores that this process may use.

    In a container or under taskset, this may be fewer than the cores of the machine.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def tiers(settings: Settings, counts: WorkerCounts, servers: Sequence[Embedded]) -> list[list[Role]]:
    """Returns the roles in tiers, which start one after another.

    The embedded servers are the first tier, because all other roles need them.
    """
    run_dir = settings.data_dir / "run"
    ours = [("api", 1), ("ar", counts.ar), ("dit", counts.dit), ("delivery", 1), ("batch", 1), ("upkeep", 1)]
    ours += [("enhance", 1)] if settings.enhance_base_url else []
    processes = [_process(settings, counts, role, index, run_dir) for role, num in ours for index in range(num)]
    return [[_server(server) for server in servers], processes] if servers else [processes]


def environment(settings: Settings) -> dict[str, str]:
    """Returns the settings that are given explicitly, as environment variables for a child process.

    Leaves out settings whose value is read from a file. The child inherits the variable that names the file, and reads
    the file.
    """
    names = sorted(settings.model_fields_set - given_by_file())
    given = {name: getattr(settings, name) for name in names}
    return {f"GRIDPRESS_{name.upper()}": _plain(value) for name, value in given.items() if value is not None}


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _server(server: Embedded) -> Role:
    return Role(f"{server.role}-0", server.command(), server, server.stop_signal, server.stop_grace_s, is_ours=False)


def _process(settings: Settings, counts: WorkerCounts, role: str, index: int, run_dir: Path) -> Role:
    name = f"{role}-{index}"
    ready_file = run_dir / f"{name}.ready"
    threads = counts.threads if role in ("ar", "dit") else 1
    env = {
        **environment(settings),
        "GRIDPRESS_READY_FILE": str(ready_file),
        "GRIDPRESS_LOG_FORMAT": "json",  # regardless of the setting, because `gridpress logs` reads JSON and shows text
        "GRIDPRESS_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # Waiting OpenMP threads sleep: spinning threads slowed down AR decoding tenfold where cores are shared.
        **_unless_given("OMP_WAIT_POLICY", "PASSIVE"),
        **({} if "text_reader" in settings.model_fields_set else _text_reader()),
        **_surroundings(settings.model),
        **counts.environment.get(name, {}),
    }
    metrics_port = None if settings.metrics_port is None else free_ports(1)[0]
    if metrics_port is not None:  # the port of the settings is for the page of all roles
        env |= {"GRIDPRESS_METRICS_PORT": str(metrics_port), "GRIDPRESS_METRICS_HOST": LOOPBACK}
    # With -P, Python does not import a folder `api` or `workers` from the current folder instead of ours.
    command = Command((sys.executable, "-P", "-m", _MODULES[role]), env)
    grace_s = settings.drain_grace_s + _GRACE_MARGIN_S
    return Role(name, command, ReadyFile(ready_file), grace_s=grace_s, metrics_port=metrics_port)


def address(settings: Settings) -> str:
    """Returns the URL of the API."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _surroundings(model: str | None) -> Mapping[str, str]:
    """Returns environment variables for a child process, apart from the settings.

    They exclude loopback from HTTP proxies. For a model on this machine, they also prevent requests to the Hugging Face
    hub.
    """
    env = {name: _without_loopback(os.environ.get(name)) for name in ("NO_PROXY", "no_proxy")}
    needs_no_hub = model is not None and (model == demo_model.NAME or Path(model).is_dir())
    return {**env, **_unless_given("HF_HUB_OFFLINE", "1")} if needs_no_hub else env


@cache
def _text_reader() -> Mapping[str, str]:
    """Returns the setting to read text by Tesseract. Returns nothing if Tesseract or its English is missing."""
    program = shutil.which("tesseract")
    if program is None or find_spec("pytesseract") is None:
        return {}
    listing = [program, "--list-langs"]
    try:
        listed = subprocess.run(listing, capture_output=True, text=True, timeout=_LISTING_S, check=True).stdout  # noqa: S603
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return {"GRIDPRESS_TEXT_READER": "tesseract"} if "eng" in listed.split() else {}


def _unless_given(name: str, value: str) -> Mapping[str, str]:
    """Returns an environment variable for a child process, or nothing if the operator has set the variable. The child
    then inherits the operator's value.
    """
    return {} if name in os.environ else {name: value}


def _without_loopback(no_proxy: str | None) -> str:
    return ",".join(filter(None, (no_proxy, "127.0.0.1", "localhost", "::1")))
