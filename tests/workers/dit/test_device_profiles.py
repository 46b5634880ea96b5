"""Every kind of device has a profile; a setting comes before it, and what can't work here is left out with a reason."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from structlog.testing import capture_logs

from shared.errors import Misconfigured
from shared.jobs.spec import Quality
from shared.settings.settings import Settings
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import denoise
from workers.device.placement import Placement
from workers.dit.device_profiles import CPU, Capability, profile_of
from workers.dit.model import choosing
from workers.dit.model import options as module
from workers.dit.model.choosing import described, log_options, options_of, vae_tiles_of
from workers.dit.model.loading import DitModel, load_dit_model
from workers.dit.model.runner import DitRunner

GPU = Placement(torch.device("cuda", 0), torch.bfloat16)
Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes this machine one with a GPU of this capability, and with or without what the options need."""

    def make(
        capability: Capability, *, total_gb: float = 85, attention: str | None = None, lacks: tuple[str, ...] = ()
    ) -> None:
        properties = SimpleNamespace(total_memory=int(total_gb * 1e9))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
        for each in (choosing, module):
            monkeypatch.setattr(each, "find_spec", lambda name: None if name in lacks else name)
        monkeypatch.setattr(choosing.shutil, "which", lambda name: None if name in lacks else f"/usr/bin/{name}")
        monkeypatch.setattr(choosing, "attention_problem", lambda *_: attention)
        monkeypatch.delenv("CC", raising=False)

    return make


@pytest.mark.parametrize(
    ("capability", "name"),
    [
        (None, "cpu"),
        ((7, 5), "gpu"),
        ((8, 0), "sm_80"),
        ((8, 6), "sm_80"),
        ((8, 9), "sm_89"),
        ((9, 0), "sm_90"),
        ((10, 0), "sm_100"),
        ((10, 3), "sm_100"),
        ((12, 0), "sm_100"),
    ],
)
def test_every_device_has_a_profile(capability: Capability | None, name: str) -> None:
    assert profile_of(capability).name == name


@pytest.mark.parametrize(
    ("capability", "compiler", "attention", "fp8", "batch_px"),
    [
        ((7, 5), None, None, None, 0),
        ((8, 0), "inductor", None, None, 512 * 512),
        ((8, 9), "inductor", None, "tiers", 512 * 512),
        ((9, 0), "inductor", "_native_cudnn", "tiers", 512 * 512),
        ((10, 0), "inductor", "_native_cudnn", "tiers", 512 * 512),
    ],
)
def test_a_gpu_gets_what_its_generation_has(
    machine: Machine,
    capability: Capability,
    compiler: str | None,
    attention: str | None,
    fp8: str | None,
    batch_px: int,
) -> None:
    machine(capability)
    options = options_of(Settings(), GPU)
    assert (options.compiler, options.attention, options.fp8) == (compiler, attention, fp8)
    assert options.guidance_batch_px == batch_px
    assert set(options.reasons.values()) == {f"profile {profile_of(capability).name}"}
    assert vae_tiles_of(Settings(), GPU) == "auto"


def test_settings_come_before_the_profile(machine: Machine) -> None:
    machine((9, 0))
    given = Settings(
        dit_compile="none",
        dit_attention="native",
        dit_fp8="off",
        dit_channels_last=False,
        dit_guidance_batch_px=0,
        dit_vae_tiles="never",
    )
    options = options_of(given, GPU)
    assert options.facts() == {"attention": "native"}
    assert set(options.reasons.values()) == {"setting"}
    assert vae_tiles_of(given, GPU) == "never"


def test_branches_on_two_devices_cannot_be_told_to_share_a_pass(machine: Machine) -> None:
    machine((9, 0))
    given = Settings(dit_guidance_batch_px=512 * 512, dit_guidance_devices="cuda:0,cuda:1")
    with pytest.raises(Misconfigured, match="GRIDPRESS_DIT_GUIDANCE_BATCH_PX and GRIDPRESS_DIT_GUIDANCE_DEVICES"):
        options_of(given, GPU)


def test_only_a_setting_puts_exact_in_fp8_and_the_worker_says_so(machine: Machine) -> None:
    machine((9, 0))
    for fp8, expected in (("auto", "tiers"), ("tiers", "tiers"), ("all", "all"), ("off", None)):
        options = options_of(Settings(dit_fp8=fp8), GPU)  # type: ignore[arg-type]
        with capture_logs() as logs:
            log_options(options, GPU)
        assert options.fp8 == expected
        assert [log["event"] for log in logs[1:]] == ["dit.exact_in_fp8"] * (fp8 == "all")
    machine((8, 0))
    assert options_of(Settings(), GPU).fp8 is None


@pytest.mark.parametrize(
    ("lacking", "given", "why"),
    [
        ({"capability": (8, 0)}, {}, "compute capability"),
        ({"lacks": ("torchao",)}, {}, "pip install"),
        ({"total_gb": 51}, {}, "no room"),
        ({}, {"dit_memory_bytes": 27_000_000_000}, "GRIDPRESS_DIT_MEMORY_BYTES"),
    ],
)
def test_tiers_in_fp8_that_a_setting_asks_for_and_a_card_cannot_hold_are_refused(
    machine: Machine, lacking: dict[str, object], given: dict[str, object], why: str
) -> None:
    machine(**{"capability": (9, 0), **lacking})
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DIT_FP8=tiers can't work here: .*{why}"):
        options_of(Settings(dit_fp8="tiers", **given), GPU)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lacking", "given", "option", "why"),
    [
        ({"lacks": ("triton",)}, {}, "compiler", "Triton is not installed"),
        ({"lacks": ("gcc", "cc", "clang")}, {}, "compiler", "no C compiler"),
        ({"attention": "no kernel"}, {}, "attention", "no kernel"),
        ({"lacks": ("torchao",)}, {}, "fp8", "pip install"),
        ({"total_gb": 51}, {}, "fp8", "no room"),
        ({}, {"dit_memory_bytes": 27_000_000_000}, "fp8", "GRIDPRESS_DIT_MEMORY_BYTES"),
        ({}, {"share_device": True}, "fp8", "parked"),
        ({}, {"dit_guidance_devices": "cuda:0,cuda:1"}, "guidance_batch_px", "a device of its own"),
    ],
)
def test_what_cannot_work_here_is_left_out_and_the_log_says_why(
    machine: Machine, lacking: dict[str, object], given: dict[str, object], option: str, why: str
) -> None:
    machine((9, 0), **lacking)
    options = options_of(Settings(**given), GPU)  # type: ignore[arg-type]
    assert not getattr(options, option)
    with capture_logs() as logs:
        log_options(options, GPU)
    assert logs[0]["profile"] == "sm_90"
    assert logs[0][option].startswith("off (profile sm_90 says ")
    assert why in logs[0][option]
    others = {"compiler", "attention", "fp8"} - {option}
    assert all(not text.startswith("off") for name, text in described(options).items() if name in others)


def test_a_cpu_says_so_too() -> None:
    options = options_of(Settings(), Placement(torch.device("cpu"), torch.float32))
    assert described(options)["compiler"] == "off (profile cpu)"
    assert CPU.vae_tiles == "never"


@pytest.fixture(scope="module")
def model(tiny_checkpoint: Path) -> DitModel:
    """A model in bfloat16, as on a GPU. A plain copy of its blocks stands for the copy in FP8."""
    model = load_dit_model(str(tiny_checkpoint), torch.device("cpu"), torch.bfloat16)
    return replace(model, fp8_blocks=deepcopy(model.transformer.transformer_blocks))


@pytest.mark.parametrize("quality", list(Quality))
def test_exact_never_uses_the_blocks_in_fp8(model: DitModel, quality: Quality) -> None:
    used: set[str] = set()
    assert model.fp8_blocks
    blocks = {"checkpoint": model.transformer.transformer_blocks[0], "fp8": model.fp8_blocks[0]}
    hooks = [
        block.register_forward_pre_hook(lambda *_, name=name: used.add(name))  # type: ignore[misc]
        for name, block in blocks.items()
    ]
    denoise(DitRunner(model), make_claim(quality=quality))
    for hook in hooks:
        hook.remove()
    assert used == {"checkpoint" if quality is Quality.EXACT else "fp8"}


def test_renders_in_fp8_and_others_share_no_forward_pass(model: DitModel) -> None:
    states = [DitRunner(model).start(make_claim(quality=quality), []) for quality in (Quality.EXACT, Quality.BALANCED)]
    exact, balanced = (state.rows()[1] for state in states)
    assert exact.fits(exact)
    assert not exact.fits(balanced)
