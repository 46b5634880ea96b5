"""Children for tasks on what strangers sent: their limits, and who gets the next turn."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.errors import ServiceBusy
from shared.sandbox.child import Child, Task, TaskKilled
from shared.sandbox.pool import Pool
from shared.sandbox.turns import Turns
from tests.shared.metrics.reading import counted

pytestmark = pytest.mark.attack

TASK = Task("tests.shared.sandbox.tasks:do", memory_bytes=512 * 1024 * 1024, cpu_s=1, wall_s=2.0)
TIMEOUT_S = 30


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child(TASK)
    yield child
    child.close()


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(TASK, 2)
    yield pool
    pool.close()


def test_a_child_answers_one_task_after_the_other(child: Child) -> None:
    for data in (b"", b"a" * 1_000_000, b"b"):
        assert child.ask({"do": "echo"}, data) == ({"num_bytes": len(data)}, data)


@pytest.mark.parametrize(
    ("what", "why"), [("spin", "time"), ("wait", "time"), ("eat", "memory"), ("crash", "crash"), ("leave", "crash")]
)
def test_a_child_that_goes_too_far_is_killed_and_replaced(pool: Pool, what: str, why: str) -> None:
    counted_before = counted("sandbox_kills_total", reason=why)
    with pool.child("a") as child:
        pool.ask("a", child, {"do": "echo"})
        first = child.pid
        with pytest.raises(TaskKilled) as caught:
            pool.ask("a", child, {"do": what})
    assert (caught.value.why, pool.num_killed) == (why, 1)
    assert counted("sandbox_kills_total", reason=why) == counted_before + 1
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    with pool.child("a") as child:
        assert child.pid != first
        assert pool.ask("a", child, {"do": "echo"}, b"x") == ({"num_bytes": 1}, b"x")


def test_a_child_knows_no_secret_and_writes_no_file(
    monkeypatch: pytest.MonkeyPatch, pool: Pool, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRIDPRESS_S3_SECRET_KEY", "hush")
    with pool.child("a") as child:
        told, _ = child.ask({"do": "tell"})
        assert "hush" not in told["environment"].values()
        error, _ = child.ask({"do": "write", "path": str(tmp_path / "x")})
        assert "too large" in error["error"]


def test_a_task_that_is_left_half_way_leaves_no_child_to_others(pool: Pool) -> None:
    with pool.child("a") as left:
        left.is_usable = False  # as during `ask`
    with pool.child("a") as child:
        assert child is not left


def waiting_turn(turns: Turns, tenant: str, order: list[str]) -> threading.Thread:
    def take() -> None:
        with turns.turn(tenant):
            order.append(tenant)

    thread = threading.Thread(target=take)
    thread.start()
    return thread


def test_who_has_many_tasks_holds_up_nobody_who_has_one() -> None:
    turns, order = Turns(2), list[str]()
    with ExitStack() as held:
        held.enter_context(turns.turn("many"))
        many = [waiting_turn(turns, "many", order) for _ in range(50)]
        one = waiting_turn(turns, "one", order)
        one.join(TIMEOUT_S)  # the other place is for anybody but the tenant that has one
        assert order == ["one"]
    for thread in many:
        thread.join(TIMEOUT_S)
    assert order == ["one"] + ["many"] * 50


def test_tenants_take_turns_where_all_places_are_taken() -> None:
    turns, order = Turns(1), list[str]()
    with turns.turn("a"):
        threads = []
        for tenant in ("a", "a", "a", "b", "c"):
            threads.append(waiting_turn(turns, tenant, order))
            while sum(map(len, turns._waiting.values())) < len(threads):
                pass
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert order == ["a", "b", "c", "a", "a"]


def test_a_turn_that_does_not_come_is_a_refusal_that_says_to_come_back() -> None:
    turns = Turns(1, patience_s=0.01, most_waiting=1)
    with turns.turn("a"), pytest.raises(ServiceBusy) as caught, turns.turn("b"):
        pass
    assert (caught.value.http_status, caught.value.retryable) == (503, True)
    with turns.turn("b"):
        pass


def test_a_tenant_has_only_so_many_waiting() -> None:
    turns, order = Turns(1, most_waiting=1), list[str]()
    with turns.turn("a"):
        thread = waiting_turn(turns, "a", order)
        while not turns._waiting:
            pass
        with pytest.raises(ServiceBusy, match="of this tenant"), turns.turn("a"):
            pass
    thread.join(TIMEOUT_S)


def test_a_machine_without_a_process_to_spare_is_a_refusal_that_says_to_come_back(
    monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as lacking:
        lacking.setattr("subprocess.Popen", refuse)
        with pytest.raises(ServiceBusy), pool.child("a"):
            pass
    with pool.child("a") as child:
        assert pool.ask("a", child, {"do": "echo"}, b"x") == ({"num_bytes": 1}, b"x")
