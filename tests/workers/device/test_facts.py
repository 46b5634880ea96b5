"""What manifests say of the device and the software of a stage."""

from types import SimpleNamespace

import pytest
import torch

from workers.device.facts import engine_facts
from workers.device.placement import Placement


def test_a_gpu_is_named_with_the_libraries_that_compute_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(torch, "version", SimpleNamespace(cuda="12.8"))
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91_002)
    facts = engine_facts(Placement(torch.device("cuda", 0), torch.bfloat16), ["transformers"])
    assert {name: facts[name] for name in ("device", "dtype", "gpu", "capability", "cuda", "cudnn")} == {
        "device": "cuda",
        "dtype": "bfloat16",
        "gpu": "NVIDIA H100 80GB HBM3",
        "capability": "9.0",
        "cuda": "12.8",
        "cudnn": "91002",
    }
    assert {"triton", "gridpress", "torch", "transformers"} <= facts.keys()


def test_a_cpu_has_no_facts_of_a_gpu() -> None:
    facts = engine_facts(Placement(torch.device("cpu"), torch.float32), [])
    assert facts.keys() == {"device", "dtype", "gridpress", "torch"}
