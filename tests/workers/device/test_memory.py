"""How much GPU memory a worker plans with."""

import pytest
import torch

from workers.device.memory import room_bytes

GPU, GB = torch.device("cuda", 0), 10**9


@pytest.mark.parametrize(
    ("most", "expected"),
    [(None, 65 * GB), (100 * GB, 65 * GB), (40 * GB, 25 * GB), (10 * GB, 0)],
    ids=["all that is free", "more than is free", "a part of the card", "less than the weights"],
)
def test_a_worker_plans_with_what_is_free_within_its_part(
    monkeypatch: pytest.MonkeyPatch, most: int | None, expected: int
) -> None:
    """The weights take 15 GB, and torch has reserved 5 GB more."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (60 * GB, 80 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 20 * GB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 15 * GB)
    assert room_bytes(GPU, most) == int(0.95 * expected)


def test_the_memory_of_a_cpu_is_not_counted() -> None:
    assert room_bytes(torch.device("cpu"), 7) is None
