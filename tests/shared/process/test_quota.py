"""What several processes hold together is limited, and a killed process holds nothing for long."""

import os
import signal
import threading
from copy import copy

import pytest

from shared.process.quota import SharedQuota
from shared.sandbox.turns import Turns

pytestmark = pytest.mark.attack

TIMEOUT_S = 30


def in_another_process(quota: SharedQuota, number: int = 1) -> SharedQuota:
    """The same counts, as a process with another number sees them."""
    other = copy(quota)
    other.join(number)
    return other


def test_a_tenant_holds_its_part_and_all_together_the_whole_in_whichever_processes() -> None:
    quota = SharedQuota(100, 50, num_processes=2)
    other = in_another_process(quota)
    assert quota.take("one", 30)
    assert not other.take("one", 21)
    assert other.take("one", 20)
    assert quota.take("other", 50)
    assert not other.take("third", 1)
    quota.give_back("one", 30)
    assert other.take("third", 30)
    assert quota.held == other.held == 100


def test_what_was_refused_is_not_held() -> None:
    quota = SharedQuota(100, 50)
    for _ in range(3):
        assert not quota.take("one", 51)
    assert quota.held == 0


def test_what_a_killed_process_held_is_free_once_its_row_is_cleared() -> None:
    quota = SharedQuota(100, 100, num_processes=2)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        quota.join(1)
        quota.take("one", 100)
        os.write(writing, b".")
        signal.pause()
    os.read(reading, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not quota.take("other", 1)
    quota.clear(1)
    assert quota.take("other", 100)


def test_a_place_that_another_process_gives_back_is_taken() -> None:
    quota, granted = SharedQuota(1, 1, num_processes=2), threading.Event()
    here, there = Turns(2, quota=quota), in_another_process(quota)

    def take() -> None:
        with here.turn("b"):
            granted.set()

    assert there.take("a")
    thread = threading.Thread(target=take)
    thread.start()
    while not here._waiting:
        pass
    assert not granted.is_set()
    there.give_back("a")
    thread.join(TIMEOUT_S)
    assert (granted.is_set(), quota.held) == (True, 0)


def test_a_tenants_own_limit_replaces_that_of_the_quota() -> None:
    quota = SharedQuota(100, 2, num_processes=2)
    other = in_another_process(quota)
    assert quota.take("one", 5, most_each=5)
    assert not other.take("one", most_each=5)
    assert not other.take("one")
    assert other.take("other", 2)
    assert not other.take("third", 1, most_each=0)
    assert (quota.held_by("one"), other.held_by("one"), other.held_by("other")) == (5, 5, 2)


def test_what_a_tenant_holds_counts_for_no_other_tenant() -> None:
    quota = SharedQuota(10**9, 1)
    assert quota.take("the greedy one", 10**6, most_each=10**6)
    for number in range(5_000):
        assert quota.take(f"tenant-{number}"), number
        quota.give_back(f"tenant-{number}")
