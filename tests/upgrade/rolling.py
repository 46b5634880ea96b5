"""A rolling upgrade: processes of two releases on the same stores, replaced one by one while clients submit."""

import random
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from cli.stack.ports import LOOPBACK
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect
from tests.chaos.audit import Audit, Findings
from tests.chaos.batch_probe import BatchProbe
from tests.chaos.ledger import Ledger
from tests.chaos.proxy import Proxy
from tests.chaos.receiver import CountingReceiver
from tests.chaos.simulated import is_as_foretold
from tests.chaos.submitter import Submitter
from tests.upgrade.fill import SECRET
from tests.upgrade.release import ROLES, Process, Release, environment_of, stores, wait_until

MODEL = "simulate:ar=400ms,dit=300ms"
_SETTLE_S = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`in_order`: replace the roles in the order of docs/operations.md, else in a drawn one. `num_kills`: processes of
    both releases that end by SIGKILL meanwhile. `pause_s` passes after each replacement.
    """

    seed: int
    num_kills: int = 0
    in_order: bool = True
    workers_per_stage: int = 2
    rate_per_s: float = 2.0
    pause_s: float = 2.0


@dataclass(slots=True)
class Outcome:
    """What was found after the upgrade. `faults` has what is wrong beside the findings of the audit."""

    findings: Findings
    num_jobs: int
    num_webhooks: int
    num_killed: int
    faults: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.faults and not self.findings.all

    def lines(self) -> list[str]:
        counts = f"{self.num_jobs} jobs, {self.findings.num_pictures} pictures, {self.num_webhooks} webhooks"
        return [f"{counts}, {self.num_killed} processes killed", *self.findings.all, *self.faults]


class Fleet:
    """The processes that serve now. `kill` starts another process of the same release in place of the killed one."""

    def __init__(self, old: Release, new: Release, plan: Plan) -> None:
        self._old, self._new = old, new
        self._drawn = random.Random(plan.seed)
        self._plan = plan
        counts = {"ar": plan.workers_per_stage, "dit": plan.workers_per_stage, "api": 2}
        self._roles = [role for role in ROLES for _ in range(counts.get(role, 1))]
        self.serving: list[tuple[Release, Process]] = []
        self.num_killed = 0

    def start(self) -> None:
        self.serving = [(self._old, process) for process in self._old.start_all(*self._roles, model=MODEL)]

    def upgrade(self, say: Callable[[str], None]) -> None:
        """Replaces each old process by a new one: first the new one is ready, then the old one gets SIGTERM."""
        waiting = [process for _, process in self.serving]
        if not self._plan.in_order:
            self._drawn.shuffle(waiting)
        kills_at = sorted(self._drawn.choices(range(len(waiting)), k=self._plan.num_kills))
        for number in range(len(waiting)):
            old = next(process for process in waiting if self._is_serving(process))
            waiting.remove(old)
            [new] = self._new.start_all(old.role, model=MODEL)
            self.serving.append((self._new, new))
            self.serving = [each for each in self.serving if each[1] is not old]
            old.stop()
            say(f"{old.role}: replaced")
            for _ in range(kills_at.count(number)):
                killed, started = self._kill()
                waiting = [started if process is killed else process for process in waiting]
                say(f"{killed.role}: killed")
            time.sleep(self._plan.pause_s)

    def api_port(self) -> int:
        """Returns the port of some API that serves now, as a load balancer does."""
        return random.choice([process.port for _, process in self.serving if process.role == "api"])

    def _is_serving(self, process: Process) -> bool:
        return any(process is each for _, each in self.serving)

    def _kill(self) -> tuple[Process, Process]:
        """Returns the killed process, and the one of the same release that was started in its place."""
        release, killed = self._drawn.choice(self.serving)
        self.serving = [each for each in self.serving if each[1] is not killed]
        killed.kill()
        [started] = release.start_all(killed.role, model=MODEL)
        self.serving.append((release, started))
        self.num_killed += 1
        return killed, started


def run(plan: Plan, checkout: Path, folder: Path, say: Callable[[str], None], *, counts_usage: bool) -> Outcome:
    """Upgrades from the release in `checkout` to this one. `counts_usage` says whether that release counts usage."""
    with ExitStack() as stack:
        redis_url, s3 = stack.enter_context(stores(folder))
        receiver = stack.enter_context(CountingReceiver(SECRET))
        environment = environment_of(redis_url, s3, folder, SECRET)
        old = stack.enter_context(Release("old", folder, environment, checkout))
        new = stack.enter_context(Release("new", folder, environment))
        fleet = Fleet(old, new, plan)
        fleet.start()
        balancer = stack.enter_context(Proxy(lambda: socket.create_connection((LOOPBACK, fleet.api_port()))))
        url, ledger, client = f"http://{balancer.address}", Ledger(), connect(redis_url)
        probe = BatchProbe(url)
        batches = [probe.submit().batch_id]
        with Submitter(url, receiver.url, ledger, seed=plan.seed, rate_per_s=plan.rate_per_s, cancels=True):
            time.sleep(plan.pause_s)
            fleet.upgrade(say)
            batches.append(probe.submit().batch_id)
        secret = SecretStr(s3.secret_key)
        settings = Settings(s3_endpoint_url=s3.url, s3_access_key=s3.access_key, s3_secret_key=secret)
        audit = Audit(client, ObjectStore(settings), receiver, is_as_foretold, counts_usage=counts_usage)
        left_over = audit.settle(_SETTLE_S)
        findings = audit.findings(ledger.accepted(), left_over)
        faults = [*_unfinished(client, batches), *_left_aside(client), *_errors(old, new)]
        return Outcome(findings, len(ledger.accepted()), receiver.received.total(), fleet.num_killed, faults)


def _unfinished(client: Client, batches: Sequence[str]) -> list[str]:
    """Batches that do not end with all their lines."""

    def status(batch: str) -> str:
        return str(client.hget(f"gridpress:batch:{batch}", "status"))

    wait_until(lambda: all(status(batch) == "completed" for batch in batches))
    lines = {batch: str(client.get(f"gridpress:batch_lines:{batch}")) for batch in batches}
    return [f"{batch}: lines {states}" for batch, states in lines.items() if set(states) != {"s"}]


def _left_aside(client: Client) -> list[str]:
    found = [f"set aside: {entry}" for entry in client.zrange("gridpress:aside", 0, -1)]
    return found + [f"dead letters in {key}" for key in client.scan_iter("gridpress:dead:*")]


def _errors(*releases: Release) -> list[str]:
    """Log lines of errors that nothing explains."""
    return [
        f"{process.log_file.name}: {line[:300]}"
        for release in releases
        for process in release.processes
        for line in process.log.splitlines()
        if '"thread.failed"' in line or '"level": "critical"' in line
    ]
