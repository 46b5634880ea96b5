"""The loop that deletes: many kinds of things take turns."""

import threading

import pytest

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
