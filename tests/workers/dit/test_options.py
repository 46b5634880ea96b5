"""Device options: what is named is done, what cannot be done is refused by name, and the picture stays."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

from shared.errors import Misconfigured
from shared.settings.settings import Settings
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.rendering import denoise, largest_difference, render
from workers.device.placement import Placement
from workers.dit.model import options as module
from workers.dit.model.choosing import options_of
from workers.dit.model.loading import DitModel, load_dit_model
from workers.dit.model.options import DitOptions, apply_options
from workers.dit.model.runner import DitRunner
from workers.dit.model.warm_up import warm_up
from workers.dit.sequence import helper
from workers.dit.sequence.messages import HelperPlan

CPU = Placement(torch.device("cpu"), torch.float32)
QUOTED = "a shop that says 'open'"


@pytest.fixture
def model(tiny_checkpoint: Path) -> Iterator[DitModel]:
    """One of our own, since options change it; diffusers keeps the last attention backend for the whole process."""
    before = _AttentionBackendRegistry.get_active_backend()[0]
    yield load_dit_model(str(tiny_checkpoint), torch.device("cpu"), torch.float32)
    _AttentionBackendRegistry.set_active_backend(before)
    torch.compiler.reset()


def test_a_cpu_changes_nothing_unless_it_is_named() -> None:
    assert options_of(Settings(), CPU) == DitOptions(channels_last=True, warm_up=((1024, 1024),))
    assert DitOptions().facts() == {}


def test_settings_are_read_into_options() -> None:
    settings = Settings(dit_compile="inductor", dit_warm_up="512x512, 768x512", dit_attention="native", dit_fp8="all")
    options = options_of(settings, CPU)
    assert options == DitOptions("inductor", "native", "all", channels_last=True, warm_up=((512, 512), (768, 512)))
    named = {
        "compiler": "inductor",
        "attention": "native",
        "weights": "fp8, also for exact",
        "vae_layout": "channels_last",
    }
    assert options.facts() == named


@pytest.mark.parametrize(
    ("field", "setting", "known"),
    [("dit_compile", "GRIDPRESS_DIT_COMPILE", "inductor"), ("dit_attention", "GRIDPRESS_DIT_ATTENTION", "native")],
)
def test_a_name_that_there_is_not_is_refused_with_those_that_there_are(field: str, setting: str, known: str) -> None:
    with pytest.raises(Misconfigured, match=f"{setting}=fastest is none of .*{known}"):
        options_of(Settings(**{field: "fastest"}), CPU)


@pytest.mark.parametrize("sizes", ["1024", "1024x", "100x100", "4096x4096", "-512x512"])
def test_a_size_that_cannot_be_rendered_cannot_be_warmed_up(sizes: str) -> None:
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DIT_WARM_UP={sizes}"):
        options_of(Settings(dit_warm_up=sizes), CPU)


def test_compiled_blocks_make_the_same_pictures(dit_model: DitModel, model: DitModel) -> None:
    photo = photo_like(512, 512, seed=3)
    claims = [(make_claim(prompt=QUOTED), []), (make_claim(images=[photo]), [photo])]
    expected = [render(DitRunner(dit_model), *claim) for claim in claims]
    apply_options(model.transformer, DitOptions(compiler="eager"))
    for claim, picture in zip(claims, expected, strict=True):
        assert largest_difference(render(DitRunner(model), *claim), picture) <= 1


def test_after_a_warm_up_no_size_and_no_prompt_is_compiled_anew(model: DitModel) -> None:
    apply_options(model.transformer, DitOptions(compiler="eager"))
    runner = DitRunner(model, guidance_batch_px=256 * 256)  # so both branches of a small picture share a pass
    warm_up(runner, [(256, 256), (320, 256)])
    assert runner._conditions._kept is None, "the condition keys of the warm-up take memory from renders"
    photos = [photo_like(512, 576, seed=3), photo_like(576, 512, seed=4), photo_like(512, 512, seed=5)]
    with torch.compiler.set_stance("fail_on_recompile"):
        for guidance in (1.5, 1.0):
            denoise(runner, make_claim(width=320, height=256, guidance=guidance, prompt='three "words", not two'))
            for num_images, prompt in ((1, "a wave"), (1, QUOTED), (2, QUOTED), (3, "a wave")):
                images = photos[:num_images]
                claim = make_claim(width=256, height=384, guidance=guidance, prompt=prompt, images=images)
                denoise(runner, claim, images)


def test_another_attention_backend_makes_the_same_picture(dit_model: DitModel, model: DitModel) -> None:
    claim = make_claim(prompt=QUOTED)
    expected = render(DitRunner(dit_model), claim)
    apply_options(model.transformer, DitOptions(attention="_native_math"))
    (backend,) = {block.attn1.processor._attention_backend for block in model.transformer.transformer_blocks}
    assert backend is AttentionBackendName("_native_math")
    assert largest_difference(render(DitRunner(model), claim), expected) <= 1


@pytest.mark.parametrize("backend", ["_native_cudnn", "flash", "sage"])
def test_a_backend_that_this_device_lacks_is_refused(model: DitModel, backend: str) -> None:
    with pytest.raises(Misconfigured, match=f"GRIDPRESS_DIT_ATTENTION={backend} cannot run on this device: .+"):
        apply_options(model.transformer, DitOptions(attention=backend))


def test_fp8_weights_cannot_be_parked() -> None:
    for fp8 in ("tiers", "all"):
        with pytest.raises(Misconfigured, match="exclude each other"):
            options_of(Settings(dit_fp8=fp8, share_device=True), CPU)


def test_fp8_needs_a_gpu(model: DitModel) -> None:
    with pytest.raises(Misconfigured, match="compute capability"):
        apply_options(model.transformer, DitOptions(fp8="all"))


@pytest.fixture
def quantize(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Stands for torchao's function `quantize_`, which needs a GPU."""
    quantize = Mock()
    monkeypatch.setattr(module, "refuse_without_fp8", lambda _: None)
    monkeypatch.setattr(module, "import_module", lambda _: Mock(quantize_=quantize))
    return quantize


def note_blocks_on_device(quantize: Mock, device: torch.device, models: Sequence[DitModel]) -> Sequence[int]:
    """Returns a list to which each conversion of a block adds how many blocks of the first model are on the device."""
    counts = []

    def note(block: torch.nn.Module, _: object) -> None:
        assert {weight.device for weight in block.parameters()} == {device}
        blocks = models[0].transformer.transformer_blocks
        counts.append(sum(next(each.parameters()).device == device for each in blocks))

    quantize.side_effect = note
    return counts


def test_blocks_go_to_the_device_one_by_one_if_all_are_in_fp8(tiny_checkpoint: Path, quantize: Mock) -> None:
    """So a card has room for the worker that has none for the checkpoint's blocks."""
    device, model = torch.device("meta"), load_dit_model(str(tiny_checkpoint), CPU.device, torch.bfloat16)
    counts = note_blocks_on_device(quantize, device, [model])
    apply_options(model.transformer, DitOptions(fp8="all"), device)
    assert counts == [*range(1, 1 + len(model.transformer.transformer_blocks))]
    assert {weight.device for weight in model.transformer.parameters()} == {device}


def test_blocks_go_one_by_one_to_the_device_of_a_helper_process(
    tiny_checkpoint: Path, quantize: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, models = torch.device("meta"), []

    def load(*given: Any, **options: Any) -> DitModel:
        models.append(load_dit_model(*given, **options))
        return models[0]

    monkeypatch.setattr(helper, "load_dit_model", load)
    counts = note_blocks_on_device(quantize, device, models)
    options = asdict(DitOptions(fp8="all"))
    helper._load(HelperPlan(str(tiny_checkpoint), "meta", "bfloat16", 1, "", rank=1, num_ranks=2, options=options))
    assert counts == [*range(1, 1 + len(models[0].transformer.transformer_blocks))]
    assert {weight.device for weight in models[0].transformer.parameters()} == {device}


def test_blocks_are_copied_one_by_one_if_renders_of_some_qualities_are_in_fp8(
    tiny_checkpoint: Path, quantize: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the device holds one block twice in the type of the checkpoint, and not all."""
    model = load_dit_model(str(tiny_checkpoint), CPU.device, torch.bfloat16)
    blocks, events = model.transformer.transformer_blocks, []
    deep_copy = copy.deepcopy

    def note_copy(block: torch.nn.Module) -> torch.nn.Module:
        events.append("copy")
        return deep_copy(block)

    monkeypatch.setattr(module, "copy", SimpleNamespace(deepcopy=note_copy))
    quantize.side_effect = lambda *_: events.append("quantize")
    fp8_blocks = apply_options(model.transformer, DitOptions(fp8="tiers"))
    assert events == ["copy", "quantize"] * len(blocks)
    assert fp8_blocks is not None
    assert [call.args[0] for call in quantize.call_args_list] == [*fp8_blocks]
    assert not {*fp8_blocks} & {*blocks}


@pytest.mark.parametrize(
    ("capability", "has_torchao", "reason"), [((8, 0), True, "compute capability"), ((9, 0), False, "pip install")]
)
def test_fp8_says_what_is_missing(
    capability: tuple[int, int], has_torchao: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(module, "find_spec", lambda _: has_torchao or None)
    with pytest.raises(Misconfigured, match=reason):
        module.refuse_without_fp8(torch.device("cuda"))
