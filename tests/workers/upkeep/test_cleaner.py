"""The loop that deletes: many kinds of things take turns."""

import threading

import pytest

from shared.process.background import num_faults
from workers.upkeep import cleaner
from workers.upkeep.cleaner import keep_deleting


def test_a_kind_with_much_to_delete_leaves_the_others_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaner, "_TICK_S", 0)
    stopping, deleted = threading.Event(), list[str]()

    def endless() -> int:
        deleted.append("endless")
        if len(deleted) >= 6:
            stopping.set()
        return 1

    def other() -> int:
        deleted.append("other")
        return 0

    keep_deleting([endless, other], stopping)
    assert deleted[:4] == ["endless", "other"] * 2


@pytest.mark.attack
def test_a_kind_that_fails_in_a_way_nobody_foresaw_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaner, "_TICK_S", 0)
    stopping, deleted, before = threading.Event(), list[str](), num_faults()

    def broken() -> int:
        raise RecursionError

    def other() -> int:
        deleted.append("other")
        if len(deleted) == 3:
            stopping.set()
        return 0

    keep_deleting([broken, other], stopping)
    assert (len(deleted), num_faults() - before) == (3, 3)
