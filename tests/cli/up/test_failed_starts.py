"""Who may end the start of a service: only a role that can never start, and only while nothing was accepted."""

import os
import signal
from collections.abc import Iterator

import pytest

from cli.stack.processes import loop
from cli.stack.processes.causes import MISCONFIGURED
from cli.stack.processes.supervised_role import Died, Event
from cli.stack.processes.supervisor import Supervisor
from shared.errors import Misconfigured
from shared.ids import new_job_id
from shared.jobs.spec import JobSpec
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from tests.cli.fakes import FakeStack
from tests.cli.stack.test_stack import Start, start
from tests.shared.store.builders import a_spec

__all__ = ["start"]

pytestmark = pytest.mark.attack

ONCE_AWAY = """
import os, pathlib, sys, time
ready = pathlib.Path(os.environ['READY'])
tried = ready.with_suffix('.tried')
if not tried.exists():
    tried.touch()
    sys.exit(1)
ready.touch()
time.sleep(600)
"""
READY = None
Step = tuple[str, int | None]


class Script:
    """Says at each look which role is ready or ends with a status; at last all are ready, and it stops the service."""

    def __init__(self, stack: FakeStack, *steps: Step) -> None:
        self._stack = stack
        self._steps: Iterator[Step] = iter(steps)
        self.died: list[Died] = []
        self.was_ready = False

    def on_waiting(self, _: list[str]) -> None:
        step = next(self._steps, None)
        if step is None:
            for readiness in self._stack.readiness.values():
                readiness.ready = True
        elif step[1] is READY:
            self._stack.readiness[step[0]].ready = True
        else:
            self._stack.latest(step[0]).status = step[1]

    def on_event(self, event: Event) -> None:
        if isinstance(event, Died):
            self.died.append(event)

    def on_ready(self) -> None:
        self.was_ready = True
        os.kill(os.getpid(), signal.SIGTERM)

    def on_stopping(self) -> None: ...


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> FakeStack:
    monkeypatch.setattr(loop, "_TICK_S", 0.001)
    return FakeStack("valkey-0", "api-0", "delivery-0", "ar-0")


def begin(stack: FakeStack, *steps: Step, has_work: bool = False) -> Script:
    script = Script(stack, ("valkey-0", READY), ("valkey-0", READY), *steps)
    servers = [stack.role("valkey-0", is_ours=False)]
    roles = [stack.role(name) for name in ("api-0", "delivery-0", "ar-0")]
    loop.run(Supervisor([servers, roles], stack.spawn), script, lambda: has_work)
    return script


def test_a_store_that_is_killed_while_a_worker_loads_ends_nothing(stack: FakeStack) -> None:
    steps = [("api-0", READY), ("delivery-0", READY), ("valkey-0", -9), ("delivery-0", 1), ("ar-0", 1), ("ar-0", 1)]
    script = begin(stack, *steps)
    assert script.was_ready
    assert {died.role for died in script.died} == {"valkey-0", "delivery-0", "ar-0"}


@pytest.mark.parametrize("status", [1, 2, 69, 75, 120, -9, -11])
def test_a_worker_that_may_start_another_time_ends_nothing(stack: FakeStack, status: int) -> None:
    assert begin(stack, ("ar-0", status)).was_ready


@pytest.mark.parametrize("steps", [[], [("api-0", READY)]])
def test_a_worker_that_can_never_start_ends_the_start_while_nothing_was_accepted(
    stack: FakeStack, steps: list[Step]
) -> None:
    with pytest.raises(Misconfigured, match=r"ar-0 could not start \(exit status 78\)"):
        begin(stack, *steps, ("ar-0", MISCONFIGURED))


def test_a_worker_that_can_never_start_ends_nothing_once_jobs_were_accepted(stack: FakeStack) -> None:
    script = begin(stack, ("api-0", READY), ("api-0", READY), ("ar-0", MISCONFIGURED), has_work=True)
    assert (script.was_ready, [died.is_hopeless for died in script.died]) == (True, [True])


def test_one_that_was_ready_once_can_start_whatever_it_says_later(stack: FakeStack) -> None:
    steps = [("delivery-0", READY), ("delivery-0", READY), ("delivery-0", MISCONFIGURED)]
    script = begin(stack, *steps)
    assert (script.was_ready, [died.is_hopeless for died in script.died]) == (True, [False])


@pytest.mark.parametrize(
    ("said", "may_start"),
    [("# Can't write: No space left on device", True), ("Cannot allocate memory", True), ("*** FATAL CONFIG", False)],
)
def test_a_server_that_never_was_ready_is_tried_again_when_an_outage_kept_it(
    stack: FakeStack, said: str, may_start: bool
) -> None:
    supervisor = Supervisor([[stack.role("valkey-0", is_ours=False)]], stack.spawn)
    supervisor.run_once(0)
    stack.latest("valkey-0").status, stack.latest("valkey-0").said = 1, said
    (died,) = supervisor.run_once(1)
    assert isinstance(died, Died)
    assert died.is_hopeless is not may_start


def test_a_service_comes_up_although_its_workers_fail_at_first(start: Start) -> None:
    stack = start(ONCE_AWAY)
    stack.wait_until_ready()
    assert "ar-0 ended (exit status 1" in stack.said.read_text()


@pytest.mark.parametrize(
    "spec", [a_spec(), a_spec(enhance_prompt=True)], ids=["a render that waits", "a prompt that is to be enhanced"]
)
def test_the_store_says_that_something_was_accepted(client: Client, spec: JobSpec) -> None:
    upkeep = UpkeepStore(client)
    assert not upkeep.has_work()
    JobStore(client).submit(new_job_id(), spec)
    assert upkeep.has_work()
