"""The AR model with its layers in FP8, on a CPU, where torch multiplies FP8 exactly as GPUs are told to.

No test here shows what a GPU's own kernels round.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import GlmImageConfig, GlmImageForConditionalGeneration

from cli.stack.gpus.needs import AR_IN_FP8, AR_WEIGHTS
from shared.errors import Misconfigured
from shared.jobs.token_grid import Prior
from shared.settings.settings import Settings
from tests.workers.ar.claims import an_engine, finish
from tests.workers.ar.test_decode_loop import EDITS, a_fixed_engine
from workers.ar.main import refuse_without_fp8
from workers.ar.model.loading import ArModel, load_ar_model, prepare
from workers.ar.sequence import ArSequence
from workers.device import fp8_linear
from workers.device.fp8_linear import FP8, MAX_FP8, Fp8Linear, to_fp8
from workers.device.parked_weights import ParkedWeights
from workers.device.placement import Placement

CPU = torch.device("cpu")
GPU = Placement(torch.device("cuda", 0), torch.bfloat16)


@pytest.fixture(scope="module")
def fp8_model(tiny_checkpoint: Path) -> ArModel:
    return load_ar_model(str(tiny_checkpoint), CPU, torch.float32, in_fp8=True)


@pytest.mark.parametrize(("in_fp8", "planned"), [(False, AR_WEIGHTS), (True, AR_IN_FP8)])
def test_the_full_model_has_the_bytes_with_which_memory_is_planned(in_fp8: bool, planned: int) -> None:
    config = GlmImageConfig(text_config={"num_hidden_layers": 2})  # all layers are alike
    with torch.device("meta"):
        network = prepare(GlmImageForConditionalGeneration(config).to(torch.bfloat16), in_fp8=in_fp8)
    a_layer = num_bytes(network.model.language_model.layers[0])
    assert abs(num_bytes(network) + 38 * a_layer - planned) < 50_000_000, "figures have one digit after the point"


def num_bytes(module: nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in module.parameters())


def test_only_the_matrices_of_the_text_models_layers_are_in_fp8(ar_model: ArModel, fp8_model: ArModel) -> None:
    exact, converted = (dict(model.network.named_parameters()) for model in (ar_model, fp8_model))
    in_fp8 = {name for name, weight in converted.items() if weight.dtype == FP8}
    layers = {f"model.language_model.layers.{index}" for index in range(4)}
    matrices = ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj")
    assert in_fp8 == {f"{layer}.{matrix}.weight" for layer in layers for matrix in matrices}
    for name in exact.keys() - in_fp8:
        assert converted[name].dtype == torch.float32
    assert converted["model.language_model.embed_tokens.weight"].equal(
        exact["model.language_model.embed_tokens.weight"]
    )
    assert fp8_model.network.dtype == torch.float32, "KV memory and images have the model's type"


@pytest.fixture(scope="module")
def together(fp8_model: ArModel) -> Mapping[str, object]:
    return finish(a_fixed_engine(fp8_model), EDITS)


def test_tokens_depend_neither_on_neighbours_nor_on_the_order_of_arrival(
    fp8_model: ArModel, together: Mapping[str, object]
) -> None:
    fewer = finish(a_fixed_engine(fp8_model), EDITS[1::-1])
    assert fewer == {name: together[name] for name in ("d", "e")}


def test_four_fifths_of_the_tokens_are_those_of_the_checkpoints_weights(
    ar_model: ArModel, together: Mapping[str, object]
) -> None:
    """docs/ar_engine.md has the figure. The noise is the same, so only the logits differ."""
    pairs: list[tuple[int, int]] = []
    for name, exact in finish(a_fixed_engine(ar_model), EDITS).items():
        in_fp8 = together[name]
        assert isinstance(exact, Prior)
        assert isinstance(in_fp8, Prior)
        pairs += zip(exact.grid.tokens, in_fp8.grid.tokens, strict=True)
    equal = sum(one == other for one, other in pairs)
    assert len(pairs) == 208
    assert abs(equal - 171) <= 10, equal  # 171 were measured; other CPUs sum in another order


def test_manifests_say_that_weights_are_in_fp8(ar_model: ArModel, fp8_model: ArModel) -> None:
    assert (ar_model.facts(), fp8_model.facts()) == ({}, {"weights": "fp8"})


def logits_of(model: ArModel) -> Tensor:
    """Returns the logits of the first token of three edits: (edits, vocabulary)."""
    engine = an_engine(model)
    for claim in EDITS:
        engine.admit(claim)
    while not all(progress.done for progress in engine.progress().values()):
        engine.step()
    sequences: list[ArSequence] = [engine._work[claim.render_id].sequence for claim in EDITS]
    for sequence in sequences:
        sequence.tokens = [7]  # the same input, whatever was sampled
    loop = engine._decode
    with torch.inference_mode():
        loop._inputs.write(sequences)
        inputs = loop._inputs.inputs
        return loop._decoder.decode(inputs.token_ids, inputs.starts, inputs.lengths)


def test_logits_differ_by_a_tenth_of_their_spread(ar_model: ArModel, fp8_model: ArModel) -> None:
    exact, in_fp8 = logits_of(ar_model), logits_of(fp8_model)
    error = (in_fp8 - exact).std(dim=1) / exact.std(dim=1)
    # Measured: 0.098, 0.106 and 0.111, with random weights. Four digits in each of 16 products in a row explain that.
    torch.testing.assert_close(error, torch.full((3,), 0.105), rtol=0, atol=0.015)


SHAPES = [(1, 16, 16), (5, 48, 128), (32, 256, 64)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(("num_rows", "num_in", "num_out"), SHAPES)
def test_a_product_is_that_of_the_rounded_numbers(
    num_rows: int, num_in: int, num_out: int, has_bias: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(num_rows)
    linear = nn.Linear(num_in, num_out, bias=has_bias, dtype=dtype)
    rows = torch.randn(num_rows, num_in, dtype=dtype)
    (weight, of_weight), (inputs, of_inputs) = to_fp8(linear.weight.detach()), to_fp8(rows)
    expected = (inputs.float() * of_inputs) @ (weight.float() * of_weight).T
    expected += linear.bias.float() if has_bias else 0
    product = Fp8Linear(linear)(rows)
    assert product.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 2**-7
    torch.testing.assert_close(product.float(), expected, rtol=tolerance, atol=tolerance)


def test_a_number_is_rounded_to_four_digits_of_its_row() -> None:
    rows = torch.cat([torch.randn(20, 64), torch.zeros(1, 64), torch.full((1, 64), 1e-30), torch.eye(64)[:1] * 1e30])
    converted, scales = to_fp8(rows)
    assert converted.float().abs().amax(1)[:20].eq(MAX_FP8).all()
    error = (converted.float() * scales - rows).abs()
    # Half of the last of four binary digits; numbers below 2^-6 of FP8 have fewer digits.
    assert (error <= rows.abs() / 16 + scales * 2**-10).all()


def test_a_row_without_numbers_spoils_no_other() -> None:
    linear, rows = Fp8Linear(nn.Linear(32, 32)), torch.randn(4, 32)
    whole = linear(rows)
    for value in (float("nan"), float("inf")):
        rows[1, 3] = value
        product = linear(rows)
        assert product[1].isnan().all()
        assert product[[0, 2, 3]].equal(whole[[0, 2, 3]])


def test_weights_in_fp8_can_be_parked() -> None:
    linear, rows = Fp8Linear(nn.Linear(48, 16)), torch.randn(3, 48)
    expected = linear(rows)
    parked = ParkedWeights([linear], CPU)
    assert parked.num_bytes == 48 * 16 + 2 * 4 * 16
    parked.unpark()
    assert linear(rows).equal(expected)


@pytest.mark.parametrize(
    ("placement", "capability", "reason"),
    [
        (Placement(CPU, torch.float32), (9, 0), "compute capability 8.9"),
        (GPU, (8, 0), "compute capability 8.9"),
        (Placement(GPU.device, torch.float16), (9, 0), "GRIDPRESS_DTYPE=bfloat16, not float16"),
        (GPU, (8, 9), "no kernel for this GPU"),
    ],
)
def test_a_device_that_cannot_compute_in_fp8_is_refused_with_a_reason(
    placement: Placement, capability: tuple[int, int], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: torch.device) -> None:
        raise RuntimeError("no kernel for this GPU\nand many other lines")

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(fp8_linear, "_try_product", fail)
    refuse_without_fp8(Settings(), placement)
    with pytest.raises(Misconfigured, match=rf"GRIDPRESS_AR_FP8.*({reason})"):
        refuse_without_fp8(Settings(ar_fp8=True), placement)
