"""The supervisor's decisions, with fake processes and a fake clock."""

from signal import SIGKILL, SIGTERM

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.stack.processes.supervised_role import Died, Ready, pause_s
from cli.stack.processes.supervisor import Supervisor
from tests.cli.fakes import FakeStack

SERVERS, WORKERS = ("valkey-0", "seaweedfs-0"), ("api-0", "ar-0")


@pytest.fixture
def stack() -> FakeStack:
    return FakeStack(*SERVERS, *WORKERS)


def supervise(stack: FakeStack) -> Supervisor:
    return Supervisor([[stack.role(name) for name in tier] for tier in (SERVERS, WORKERS)], stack.spawn)


def bring_up(stack: FakeStack) -> Supervisor:
    supervisor = supervise(stack)
    for tier in (SERVERS, WORKERS):
        supervisor.run_once(0)
        for name in tier:
            stack.readiness[name].ready = True
        supervisor.run_once(0)
    assert supervisor.is_ready
    return supervisor


def test_the_servers_start_first(stack: FakeStack) -> None:
    supervisor = supervise(stack)
    supervisor.run_once(0)
    stack.readiness["valkey-0"].ready = True
    assert supervisor.run_once(1) == [Ready("valkey-0")]
    assert stack.names == [*SERVERS]


def test_the_workers_start_once_every_server_is_ready(stack: FakeStack) -> None:
    bring_up(stack)
    assert stack.names == [*SERVERS, *WORKERS]


def test_it_names_what_it_waits_for(stack: FakeStack) -> None:
    supervisor = supervise(stack)
    supervisor.run_once(0)
    stack.readiness["valkey-0"].ready = True
    supervisor.run_once(1)
    assert supervisor.waiting_for == ["seaweedfs-0", *WORKERS]


def test_readiness_is_said_once(stack: FakeStack) -> None:
    assert bring_up(stack).run_once(1) == []


def test_one_that_was_ready_and_ended_between_two_looks_is_told_of_as_both(stack: FakeStack) -> None:
    """What it announced tells whose leases it leaves behind, and is gone once its end was dealt with."""
    supervisor = bring_up(stack)
    stack.latest("ar-0").status = -SIGKILL
    supervisor.run_once(10)
    supervisor.run_once(20)
    stack.latest("ar-0").status = -SIGKILL
    stack.readiness["ar-0"].ready = True
    events = [*supervisor.run_once(21), *supervisor.run_once(22)]
    assert [type(event) for event in events] == [Ready, Died]


def test_a_dead_process_is_reported_with_its_last_words(stack: FakeStack) -> None:
    supervisor = bring_up(stack)
    stack.latest("ar-0").status = -SIGKILL
    (event,) = supervisor.run_once(10)
    assert isinstance(event, Died)
    assert event == Died("ar-0", -SIGKILL, True, pause_s(1, was_ready=True), ["last words of ar-0"], 1)
    assert event.reason == "killed by SIGKILL"
    assert stack.latest("ar-0").is_forgotten


def test_a_dead_process_starts_again_after_a_pause_and_not_before(stack: FakeStack) -> None:
    supervisor = bring_up(stack)
    stack.latest("ar-0").status = 1
    supervisor.run_once(10)
    supervisor.run_once(10 + pause_s(1, was_ready=True) * 0.9)
    assert stack.names.count("ar-0") == 1
    supervisor.run_once(10 + pause_s(1, was_ready=True))
    assert stack.names.count("ar-0") == 2


def test_the_others_keep_running_while_one_is_down(stack: FakeStack) -> None:
    supervisor = bring_up(stack)
    stack.latest("valkey-0").status = 1
    supervisor.run_once(10)
    assert supervisor.waiting_for == ["valkey-0"]
    assert stack.latest("api-0").signals == []


def test_a_process_that_keeps_dying_waits_longer_each_time(stack: FakeStack) -> None:
    supervisor, now, pauses = bring_up(stack), 0.0, []
    for _ in range(4):
        stack.latest("ar-0").status = 1
        (event,) = supervisor.run_once(now)
        assert isinstance(event, Died)
        pauses.append(event.retry_in_s)
        now += event.retry_in_s
        supervisor.run_once(now)
    assert pauses == sorted(set(pauses))


def test_one_that_was_ready_each_time_is_not_kept_waiting_when_a_start_fails(stack: FakeStack) -> None:
    supervisor = bring_up(stack)
    for now in range(0, 20, 2):
        stack.latest("ar-0").status = -SIGKILL
        supervisor.run_once(now)
        supervisor.run_once(now + 1)
        stack.readiness["ar-0"].ready = True
        supervisor.run_once(now + 1)
    for now in (30, 40):  # the second time before it was ready
        stack.latest("ar-0").status = -SIGKILL
        (died,) = supervisor.run_once(now)
        supervisor.run_once(now + 2)
    assert isinstance(died, Died)
    assert died.retry_in_s == pause_s(2, was_ready=False) < 1


def test_a_process_that_lived_long_starts_again_at_once_next_time(stack: FakeStack) -> None:
    supervisor = bring_up(stack)
    for now in (1, 10_000):
        stack.latest("ar-0").status = 1
        supervisor.run_once(now)
        supervisor.run_once(now + pause_s(1, was_ready=True))
    assert stack.names.count("ar-0") == 3


@given(st.integers(1, 200))
def test_pauses_never_shrink_and_never_pass_half_a_minute(num_failures: int) -> None:
    for was_ready, longest_s in ((False, 30), (True, 2)):
        pauses = [pause_s(count, was_ready=was_ready) for count in (num_failures, num_failures + 1)]
        assert 0 < pauses[0] <= pauses[1] <= longest_s


def test_the_end_takes_workers_first_and_servers_last(stack: FakeStack) -> None:
    supervisor = bring_up(stack)
    assert not supervisor.end_once(0, at_once=False)
    assert all(stack.latest(name).signals == [SIGTERM] for name in WORKERS)
    assert all(stack.latest(name).signals == [] for name in SERVERS)
    assert not supervisor.end_once(1, at_once=False)
    assert all(stack.latest(name).signals == [SIGTERM] for name in SERVERS)
    assert supervisor.end_once(2, at_once=False)


def test_a_process_that_does_not_leave_is_killed_after_its_grace() -> None:
    stack = FakeStack(*SERVERS, *WORKERS, stubborn=True)
    supervisor = bring_up(stack)
    for now in (0.0, 19.9):
        supervisor.end_once(now, at_once=False)
    assert stack.latest("ar-0").signals == [SIGTERM]
    supervisor.end_once(20, at_once=False)
    assert stack.latest("ar-0").signals == [SIGTERM, SIGKILL]


def test_at_once_kills_every_tier_in_one_step() -> None:
    stack = FakeStack(*SERVERS, *WORKERS, stubborn=True)
    supervisor = bring_up(stack)
    supervisor.end_once(0, at_once=False)
    supervisor.end_once(1, at_once=True)
    assert all(process.status == -SIGKILL for process in stack.started)
    assert supervisor.end_once(2, at_once=True)


def test_nothing_is_left_to_end_before_anything_started(stack: FakeStack) -> None:
    assert supervise(stack).end_once(0, at_once=False)


def test_readiness_is_forgotten_before_a_restart(stack: FakeStack) -> None:
    supervisor = bring_up(stack)
    stack.latest("ar-0").status = 1
    supervisor.run_once(10)
    supervisor.run_once(20)
    assert not stack.readiness["ar-0"].ready
    assert supervisor.waiting_for == ["ar-0"]


def test_nothing_starts_while_the_server_that_it_needs_is_away(stack: FakeStack) -> None:
    supervisor = bring_up(stack)
    for name in ("valkey-0", "ar-0"):
        stack.latest(name).status = -SIGKILL
    supervisor.run_once(10)
    supervisor.run_once(11)
    assert (stack.names.count("valkey-0"), stack.names.count("ar-0")) == (2, 1)
    stack.readiness["valkey-0"].ready = True
    supervisor.run_once(12)
    assert stack.names.count("ar-0") == 2


def test_deaths_in_a_row_are_counted_until_a_process_lives_long(stack: FakeStack) -> None:
    supervisor, counts = bring_up(stack), []
    for now in (0.0, 40.0, 50.0, 10_000.0):
        supervisor.run_once(now)
        stack.latest("ar-0").status = 1
        (event,) = supervisor.run_once(now + 1)
        assert isinstance(event, Died)
        counts.append(event.num_in_a_row)
        supervisor.run_once(now + 5)
    assert counts == [1, 2, 3, 1]
