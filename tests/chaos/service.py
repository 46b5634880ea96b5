"""`gridpress up`, each role on a machine of its own, and one more worker that no supervisor sees. All hit by role."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGTERM, Signals
from typing import Self
from urllib.parse import urlsplit

from cli.stack.ports import LOOPBACK, free_ports
from cli.stack.processes.child import Child, Command
from cli.stack.processes.readiness import ReadyFile
from shared.errors import StoreUnavailable
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect
from tests.chaos.network import URL_VARIABLES, Network
from tests.chaos.proxy import Address
from tests.chaos.schedule import FAR_WORKER
from tests.cli.waiting import is_alive

_CHECKOUT = Path(__file__).resolve().parents[2]
_START_LIMIT_S = 90.0
_STOP_GRACE_S = 60.0
_POLL_S = 0.05


class Service:
    """Runs while its block runs. `environment` are settings on top of the defaults.

    The servers' ports change with every start of the supervisor, so addresses are read anew each time.
    """

    def __init__(
        self,
        data_dir: Path,
        model: str,
        environment: Mapping[str, str],
        workers_per_stage: int,
        *,
        has_far_worker: bool,
        webhook_port: int,
        needs_models: bool = True,
    ) -> None:
        self._data_dir = data_dir
        self._run_dir = data_dir / "run"
        self._model, self._environment = model, environment
        self._counts = ("--ar-workers", str(workers_per_stage), "--dit-workers", str(workers_per_stage))
        self._has_far_worker = has_far_worker
        self._webhook_port, self._needs_models = webhook_port, needs_models
        self._port = free_ports(1)[0]
        self._ready = ReadyFile(self._run_dir / "up.ready")
        self._supervisor: Child | None = None
        self._far: Child | None = None
        self._servers_file = data_dir / "servers.json"
        self._entry_port = self._port
        self._stages = [f"{stage}-{index}" for stage in ("ar", "dit") for index in range(workers_per_stage)]
        roles = [*self._stages, "api-0", "delivery-0", "batch-0", "upkeep-0"]
        self.network = Network([*roles, FAR_WORKER] if has_far_worker else roles, self._server_address)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._entry_port}"

    def __enter__(self) -> Self:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self.network.__enter__()
        try:
            self._entry_port = self.network.let_in("api-0", self._port)
            self.network.let_out("delivery-0", self._webhook_port)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for role in self.roles():
            self.signal(role, SIGCONT)
        for child in filter(None, (self._far, self._supervisor)):
            child.stop(SIGTERM, _STOP_GRACE_S)
        self.network.__exit__()

    def start(self) -> None:
        """Starts the supervisor and waits until everything is ready, or only all that is no stage."""
        self._launch()
        self._wait_until(self._ready.is_ready if self._needs_models else self._takes_requests)
        self.tend()

    def _takes_requests(self) -> bool:
        """Whether all are ready that load no model."""
        return all(self.is_serving(role) for role in ("api-0", "delivery-0", "batch-0", "upkeep-0"))

    def _launch(self) -> None:
        self._ready.reset()
        service = ("--port", str(self._port), "--data", str(self._data_dir), "--model", self._model)
        arguments = ("up", *service, *self._counts, "--threads", "1")
        places = {role: self.network.place(role) for role in self.network.roles}
        environment = {
            **self._environment,
            "GRIDPRESS_READY_FILE": str(self._ready.path),
            "CHAOS_PLACES": json.dumps({role: [place.prefix, place.addresses] for role, place in places.items()}),
            "CHAOS_SERVERS": str(self._servers_file),
            # The program is of the tests, which no installed package holds.
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_CHECKOUT), os.environ.get("PYTHONPATH")))),
        }
        command = Command((sys.executable, "-P", "-m", "tests.chaos.up", *arguments), environment)
        self._supervisor = Child("up", command, self._run_dir)

    def kill_supervisor(self) -> None:
        """Its children die with it."""
        pids = [self.pid(role) for role in self.roles()]
        for child in filter(None, (self._supervisor, self._far)):
            child.stop(SIGKILL, _STOP_GRACE_S)
        self._far = None
        self._wait_until(lambda: not any(pid and is_alive(pid) for pid in pids), needs_supervisor=False)

    def tend(self) -> None:
        """Starts the far worker again when it has ended, as the supervisor does with the others."""
        if self._has_far_worker and (self._far is None or self._far.exit_status() is not None):
            if self._far:
                self._far.clean_up()
            self._start_far()

    def roles(self) -> list[str]:
        """All that have a process now."""
        return [path.stem for path in self._run_dir.glob("*.pid") if path.stem != "up"]

    def pid(self, role: str) -> int | None:
        """The role's serving process; None while there is none."""
        try:
            return int((self._run_dir / f"{role}.pid").read_text())
        except (OSError, ValueError):  # not there, or being written
            return None

    def is_serving(self, role: str) -> bool:
        """Whether its process has said that it is ready. One that is not may not even be tied to its supervisor yet."""
        return (self._run_dir / f"{role}.ready").exists()

    @property
    def is_loading(self) -> bool:
        """Whether a worker that the supervisor started still loads its model, or waits to be started again."""
        return not all(self.is_serving(role) for role in self._stages)

    def signal(self, role: str, number: Signals) -> int | None:
        """Returns the pid that was hit, or None when there was nothing to hit."""
        pid = self.pid(role)
        if pid is None or not is_alive(pid):
            return None
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return None
        return pid

    def count_in_logs(self, text: str) -> int:
        """How often any role ever wrote it."""
        return sum(log.read_text(errors="replace").count(text) for log in self._run_dir.glob("*.log"))

    def store(self) -> Client:
        """A connection to the store as it runs now. Raises `StoreUnavailable`."""
        return connect(self._server_urls()["GRIDPRESS_REDIS_URL"])

    def store_once_it_answers(self) -> Client:
        """The same, when the store may have been ended a moment ago."""
        found: list[Client] = []

        def answers() -> bool:
            with suppress(StoreUnavailable):
                found.append(self.store())
            return bool(found)

        self._wait_until(answers)
        return found[0]

    def settings(self) -> Settings:
        """What the service's own processes read, with the present addresses."""
        given = {**self._role_environment(), **self._server_urls()}
        mine = {name: value for name, value in given.items() if name.startswith("GRIDPRESS_")}
        fields = {name.removeprefix("GRIDPRESS_").lower(): value for name, value in mine.items()}
        return Settings(**fields)  # type: ignore[arg-type]

    def _start_far(self) -> None:
        (self._run_dir / f"{FAR_WORKER}.ready").unlink(missing_ok=True)
        place, given = self.network.place(FAR_WORKER), self._role_environment()
        environment = {
            **given,
            **place.environment(given),
            "GRIDPRESS_READY_FILE": str(self._run_dir / f"{FAR_WORKER}.ready"),
        }
        argv = (*place.prefix, sys.executable, "-P", "-m", "workers.dit")
        self._far = Child(FAR_WORKER, Command(argv, environment), self._run_dir)

    def _role_environment(self) -> dict[str, str]:
        """As the supervisor gives it to its roles: read from one of them."""
        found: dict[str, str] = {}

        def read() -> bool:
            pid = self.pid("upkeep-0")
            try:
                lines = Path(f"/proc/{pid}/environ").read_text().split("\0")
            except OSError:
                return False
            found.update(line.split("=", 1) for line in lines if "=" in line)
            return "GRIDPRESS_REDIS_URL" in found

        self._wait_until(read)
        return found

    def _server_urls(self) -> dict[str, str]:
        """As the servers listen now, without what stands before them."""
        return dict(json.loads(self._servers_file.read_text()))

    def _server_address(self, server: str) -> Address:
        parts = urlsplit(self._server_urls()[URL_VARIABLES[server]])
        assert parts.port
        return LOOPBACK, parts.port

    def _wait_until(self, condition: Callable[[], bool], *, needs_supervisor: bool = True) -> None:
        deadline_s = time.monotonic() + _START_LIMIT_S
        while not condition():
            assert self._supervisor
            if needs_supervisor and self._supervisor.exit_status() is not None:
                raise AssertionError("the service ended:\n" + "\n".join(self._supervisor.last_lines()))
            assert time.monotonic() < deadline_s, "it never happened"
            time.sleep(_POLL_S)
