"""Where a model runs, by its settings."""

import pytest
import torch

from shared.errors import Misconfigured
from shared.settings.settings import Settings
from workers.device.placement import Placement, guidance_devices, place, sequence_devices


def has_gpus(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize("device", ["cuda:2", "meta"])
def test_a_gpu_beyond_the_last_and_a_foreign_device_are_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(2, monkeypatch)
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DEVICE={device}"):
        place(Settings(device=device))


@pytest.mark.parametrize("device", ["banana", "cuda:x", "cuda:99"])
def test_a_device_that_cannot_be_had_is_named_with_its_setting(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DEVICE={device}"):
        place(Settings(device=device))


@pytest.mark.parametrize(("has_gpu", "device", "dtype"), [(True, "cuda:0", "bfloat16"), (False, "cpu", "float32")])
def test_a_gpu_computes_in_bfloat16_and_the_cpu_in_float32(
    has_gpu: bool, device: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(has_gpu))
    assert place(Settings()) == Placement(torch.device(device), getattr(torch, dtype))
    assert place(Settings(dtype="float16")).dtype is torch.float16


def test_guidance_branches_stay_on_one_device_unless_two_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(2, monkeypatch)
    assert guidance_devices(Settings()) is None
    two = torch.device("cuda:0"), torch.device("cuda:1")
    assert guidance_devices(Settings(dit_guidance_devices="cuda:0, cuda:1")) == two
    assert place(Settings(device="cuda:5"), two[0]).device == two[0]


@pytest.mark.parametrize("devices", ["cuda,cuda:1", "cuda:1,cuda", "cuda:0,cuda:1"])
def test_both_guidance_devices_have_an_index_because_nccl_refuses_one_without(
    devices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_gpus(2, monkeypatch)
    found = guidance_devices(Settings(dit_guidance_devices=devices))
    assert found
    assert {device.index for device in found} == {0, 1}


@pytest.mark.parametrize("device", ["cuda", None])
def test_the_first_gpu_has_an_index_too(device: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(2, monkeypatch)
    assert place(Settings(device=device)).device == torch.device("cuda", 0)


@pytest.mark.parametrize(
    "devices", ["cuda:0", "cuda:0,cuda:0", "cuda,cuda:0", "cuda:0,cpu", "cpu,cpu,cpu", "cpu,banana"]
)
def test_what_are_not_two_devices_is_refused_with_the_setting(devices: str, monkeypatch: pytest.MonkeyPatch) -> None:
    has_gpus(2, monkeypatch)
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DIT_GUIDANCE_DEVICES={devices}"):
        guidance_devices(Settings(dit_guidance_devices=devices))


def test_a_device_is_not_both_shared_and_one_of_two() -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_SHARE_DEVICE"):
        guidance_devices(Settings(dit_guidance_devices="cpu,cpu", share_device=True))


@pytest.mark.parametrize(
    ("names", "indices"), [("cuda,cuda:1", [0, 1]), ("cuda:3, cuda:1,cuda:0,cuda:2", [3, 1, 0, 2])]
)
def test_several_devices_divide_a_picture_only_if_they_are_named(
    names: str, indices: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    has_gpus(4, monkeypatch)
    assert sequence_devices(Settings()) is None
    assert sequence_devices(Settings(dit_sequence_devices=names)) == tuple(torch.device("cuda", k) for k in indices)


@pytest.mark.parametrize(
    "devices", ["cuda:0", "cuda:0,cuda:1,cuda", "cuda:0,cpu", "cpu", "cuda:0,cuda:9", "cpu,banana"]
)
def test_what_are_not_several_devices_is_refused_with_the_setting(
    devices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_gpus(4, monkeypatch)
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DIT_SEQUENCE_DEVICES={devices}"):
        sequence_devices(Settings(dit_sequence_devices=devices))


@pytest.mark.parametrize(
    ("other", "name"),
    [({"share_device": True}, "GRIDPRESS_SHARE_DEVICE"), ({"dit_guidance_devices": "cpu,cpu"}, "GUIDANCE_DEVICES")],
)
def test_devices_that_divide_a_picture_do_nothing_else(other: dict[str, object], name: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        sequence_devices(Settings(dit_sequence_devices="cpu,cpu", **other))  # type: ignore[arg-type]
