"""As many slots as there can be sockets."""

import resource

import pytest

from workers.delivery.sockets import slots_with_sockets

UNLIMITED = resource.RLIM_INFINITY
SLOTS = 1024


class Limits:
    """Those of a process, as the operating system keeps them."""

    def __init__(self, soft: int, hard: int) -> None:
        self.now = (soft, hard)

    def get(self, _: int) -> tuple[int, int]:
        return self.now

    def set(self, _: int, limits: tuple[int, int]) -> None:
        assert limits[1] == self.now[1] == UNLIMITED or limits[0] <= limits[1] <= self.now[1]
        self.now = limits


def limited(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> Limits:
    limits = Limits(soft, hard)
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    monkeypatch.setattr(resource, "setrlimit", limits.set)
    return limits


@pytest.mark.parametrize("hard", [1_048_576, UNLIMITED])
def test_a_soft_limit_is_raised_as_far_as_it_need_be(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    limits = limited(monkeypatch, 1024, hard)
    assert slots_with_sockets(SLOTS) == SLOTS
    assert 2 * SLOTS < limits.now[0] < 3 * SLOTS
    assert limits.now[1] == hard


@pytest.mark.parametrize("soft", [1_000_000, UNLIMITED])
def test_a_high_limit_is_left_alone(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    limits = limited(monkeypatch, soft, UNLIMITED)
    assert slots_with_sockets(SLOTS) == SLOTS
    assert limits.now == (soft, UNLIMITED)


def test_under_a_low_hard_limit_there_are_fewer_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 512, 1024)
    assert 1 <= slots_with_sockets(SLOTS) < 1024 // 2


def test_there_is_always_one(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, 64, 64)
    assert slots_with_sockets(SLOTS) == 1
