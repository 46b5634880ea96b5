"""Where a model runs, by its settings."""

import pytest
import torch

from shared.errors import Misconfigured
from shared.settings import Settings
from workers.placement import Placement, place


@pytest.mark.parametrize("device", ["banana", "cuda:x", "cuda:99"])
def test_a_device_that_cannot_be_had_is_named_with_its_setting(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DEVICE={device}"):
        place(Settings(device=device))


@pytest.mark.parametrize(("has_gpu", "device", "dtype"), [(True, "cuda", "bfloat16"), (False, "cpu", "float32")])
def test_a_gpu_computes_in_bfloat16_and_the_cpu_in_float32(
    has_gpu: bool, device: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert place(Settings()) == Placement(torch.device(device), getattr(torch, dtype))
    assert place(Settings(dtype="float16")).dtype is torch.float16
