"""Gauges of a worker's memory, without a GPU."""

import pytest
import torch

from shared.jobs.states import Stage
from shared.metrics.page import page_of
from workers.ar.kv_allocator import KvAllocator
from workers.ar.scheduler import Scheduler
from workers.device.memory import show_device_memory


def _shown() -> list[float]:
    return [
        sample.value
        for metric in page_of("dit").collect()
        for sample in metric.samples
        if sample.name == "gridpress_device_memory_bytes"
    ]


def test_the_share_of_kv_memory_that_is_booked_is_known() -> None:
    book = KvAllocator(100)
    scheduler = Scheduler(book, max_sequences=4)
    assert scheduler.kv_used_ratio == 0
    assert book.book(25)
    assert scheduler.kv_used_ratio == 0.25


def test_of_a_cpu_no_device_memory_is_shown() -> None:
    show_device_memory(Stage.DIT, torch.device("cpu"))
    assert _shown() == []


def test_a_device_that_answers_with_errors_has_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> float:
        raise RuntimeError("CUDA error: device lost")

    for name in ("mem_get_info", "memory_allocated", "memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, lost)
    show_device_memory(Stage.DIT, torch.device("cuda:0"))
    assert _shown() == []
