"""`TRITON_INTERPRET=1 python -m tests.workers.ar.kernels.interpreted`: computes all kernels on a CPU beside torch.

Prints a JSON object: for each check the error that it raised, or null.
"""

import json
import sys
import traceback
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from tests.workers.ar.kernels.bfloat16 import mend
from workers.ar.kernels.fused_ops import FusedOps
from workers.ar.kernels.fused_sampling import FusedSampling
from workers.ar.kernels.split_attention import BLOCK, NUM_LANES, SplitAttention
from workers.ar.model.attention import RowAttention
from workers.ar.model.decoder import Decoder
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.layer_ops import LayerOps, TorchOps
from workers.ar.model.loading import Sampling
from workers.ar.model.row_sampling import TorchSampling
from workers.ar.model.step_inputs import Inputs
from workers.ar.noise import CounterNoise
from workers.ar.sampler import NOT_A_NUMBER, choose_kept
from workers.device.fp8_linear import Fp8Linear, to_fp8

EPS = 1e-5
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
# One token, around a block's end, and more blocks than lanes; the extents do not touch.
LENGTHS = (1, BLOCK, BLOCK + 1, (NUM_LANES + 2) * BLOCK + 3)
# Two roundings of a number near 1; values of the checks are of that size.
TOLERANCE = {torch.float32: 5e-6, torch.bfloat16: 2**-7, torch.float16: 2**-9}


class RoundedOps(TorchOps):
    """Torch's operations with the norm of transformers' modules, which round twice. It differs only in half types."""

    def norm(self, hidden: Tensor, weight: Tensor) -> Tensor:
        numbers = hidden.float()
        scale = torch.rsqrt(numbers.pow(2).mean(-1, keepdim=True) + EPS)
        return weight * (numbers * scale).to(hidden.dtype)


def a_memory(dtype: torch.dtype, *, kv_heads: int = 2, head_size: int = 32, rotated: int = 8, tokens: int) -> KvMemory:
    memory = KvMemory(
        num_layers=2,
        num_kv_heads=kv_heads,
        head_size=head_size,
        rotated_size=rotated,
        num_tokens=tokens,
        device=torch.device("cpu"),
        dtype=dtype,
    )
    for table in (memory.entries, memory.cos, memory.sin):
        table.normal_()
    return memory


def close(actual: Tensor, expected: Tensor) -> None:
    assert actual.dtype == expected.dtype
    tolerance = TOLERANCE[actual.dtype]
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def rows_stand_alone(compute: Callable[..., Tensor], *tensors: Tensor) -> None:
    """A row gives the same bits alone, and beside rows that hold no numbers."""
    together, last = compute(*tensors), len(tensors[0]) - 1
    spoilt = [tensor.clone() for tensor in tensors]
    for tensor in spoilt:
        tensor[:last] = float("nan")
    assert compute(*(tensor[last:] for tensor in tensors))[0].equal(together[last])
    assert compute(*spoilt)[last].equal(together[last])
    assert compute(*spoilt)[:last].isnan().all()


def attention(heads: int, kv_heads: int, head_size: int, dtype: torch.dtype) -> None:
    lengths = torch.tensor(LENGTHS)
    starts = lengths.cumsum(0) - lengths + 7
    memory = a_memory(dtype, kv_heads=kv_heads, head_size=head_size, tokens=int(lengths.sum()) + 14)
    # As torch's operations return it: a part of a wider row.
    query = torch.randn(len(LENGTHS), heads + 2 * kv_heads, head_size, dtype=dtype)[:, :heads]
    split = SplitAttention(memory, len(LENGTHS), heads).over(starts, lengths)(1, query)
    rows = RowAttention(memory).over(starts, lengths)(1, query.contiguous()).reshape(split.shape)
    close(split, rows)

    # The third row again: last instead of third, elsewhere in memory, beside memory that holds no numbers.
    length, third = LENGTHS[2], memory.entries[:, starts[2] : starts[2] + LENGTHS[2]].clone()
    memory.entries.fill_(float("nan"))
    memory.entries[:, 3 : 3 + length] = third
    moved = SplitAttention(memory, 2, heads).over(torch.tensor([3, 3]), torch.tensor([1, length]))(1, query[1:3])
    assert moved[1].equal(split[2]), "a row's result depends on where it lies"


def both_ops(memory: KvMemory, num_heads: int) -> tuple[LayerOps, LayerOps]:
    return FusedOps(memory, num_heads, EPS), RoundedOps(memory, num_heads, EPS)


def norms(num_rows: int, size: int, dtype: torch.dtype) -> None:
    fused, plain = both_ops(a_memory(dtype, tokens=1), 4)
    hidden, update = torch.randn(2, num_rows, size).to(dtype)
    weight, other = (torch.rand(2, size) + 0.5).to(dtype)
    close(fused.norm(hidden, weight), plain.norm(hidden, weight))
    for result, expected in zip(
        fused.add_norm(hidden, update, other, weight), plain.add_norm(hidden, update, other, weight), strict=True
    ):
        close(result, expected)
    rows_stand_alone(lambda *both: torch.cat(fused.add_norm(*both, other, weight), dim=1), hidden, update)
    rows_stand_alone(lambda one: fused.norm(one, weight), hidden)


def silu_mul(num_rows: int, size: int, dtype: torch.dtype) -> None:
    fused, plain = both_ops(a_memory(dtype, tokens=1), 4)
    gate_up = (3 * torch.randn(num_rows, 2 * size)).to(dtype)
    gate_up[0, 0], gate_up[0, size - 1] = -200.0, 200.0  # exp(200) is infinite
    close(fused.silu_mul(gate_up), plain.silu_mul(gate_up))
    rows_stand_alone(fused.silu_mul, gate_up)


def conversion(num_rows: int, size: int, dtype: torch.dtype) -> None:
    """Rows in FP8 are torch's, bit for bit. The last row is zero."""
    rows = (10 * torch.randn(num_rows, size)).to(dtype)
    rows[-1] = 0.0
    converted, scales = both_ops(a_memory(dtype, tokens=1), 4)[0].to_fp8(rows)
    expected, of_expected = to_fp8(rows)
    assert scales.equal(of_expected)
    assert converted.view(torch.uint8).equal(expected.view(torch.uint8))


def product(has_fp8: bool, dtype: torch.dtype) -> None:
    fused, plain = both_ops(a_memory(dtype, tokens=1), 4)
    linear, rows = nn.Linear(64, 48, dtype=dtype), torch.randn(3, 64).to(dtype)
    linear = Fp8Linear(linear) if has_fp8 else linear
    assert fused.product(linear, rows).equal(plain.product(linear, rows))
    if has_fp8:
        rows_stand_alone(lambda one: fused.product(linear, one), rows)


def rotation(heads: int, kv_heads: int, head_size: int, rotated: int, dtype: torch.dtype) -> None:
    """Rows 1 and 3 have no sequence, so both write to the scratch token."""
    memory, other = (
        a_memory(dtype, kv_heads=kv_heads, head_size=head_size, rotated=rotated, tokens=9) for _ in range(2)
    )
    for name in ("entries", "cos", "sin"):
        getattr(other, name).copy_(getattr(memory, name))
    before = memory.entries.clone()
    slots = torch.tensor([4, memory.scratch, 0, memory.scratch, 8])
    new = torch.randn(len(slots), heads + 2 * kv_heads, head_size, dtype=dtype)
    query = both_ops(memory, heads)[0].at(slots)(1, new.clone())
    close(query, both_ops(other, heads)[1].at(slots)(1, new.clone()))
    used = slots[[0, 2, 4]]
    close(memory.entries[1, used], other.entries[1, used])
    kept = torch.ones(len(before[1]), dtype=torch.bool).index_fill(0, slots, value=False)
    assert memory.entries[0].equal(before[0]), "another layer was written"
    assert memory.entries[1, kept].equal(before[1, kept]), "another token was written"
    assert memory.entries[1, used, kv_heads:].equal(new[[0, 2, 4], heads + kv_heads :]), "values are only copied"


def a_network(hidden: int, heads: int, kv_heads: int, head_size: int, num_layers: int) -> SimpleNamespace:
    """Returns what `Decoder` reads of a network, with random weights."""
    inner, codes = 40, 16

    def norm() -> SimpleNamespace:
        return SimpleNamespace(weight=torch.rand(hidden) + 0.5)

    def layer() -> SimpleNamespace:
        attention = SimpleNamespace(
            qkv_proj=nn.Linear(hidden, (heads + 2 * kv_heads) * head_size), o_proj=nn.Linear(heads * head_size, hidden)
        )
        mlp = SimpleNamespace(gate_up_proj=nn.Linear(hidden, 2 * inner), down_proj=nn.Linear(inner, hidden))
        names = ("input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm")
        return SimpleNamespace(self_attn=attention, mlp=mlp, **{name: norm() for name in names})

    text = SimpleNamespace(
        embed_tokens=nn.Embedding(codes, hidden), layers=[layer() for _ in range(num_layers)], norm=norm()
    )
    config = SimpleNamespace(hidden_size=heads * head_size, num_attention_heads=heads, hidden_act="silu")
    return SimpleNamespace(
        config=SimpleNamespace(text_config=config),
        model=SimpleNamespace(language_model=text),
        lm_head=nn.Linear(hidden, codes),
    )


def whole_step() -> None:
    """A step of two layers: sequences of 1 and 70 tokens, and a row without a sequence."""
    heads, kv_heads, head_size, tokens = 4, 2, 16, 80
    network = a_network(heads * head_size, heads, kv_heads, head_size, num_layers=2)
    memory = a_memory(torch.float32, kv_heads=kv_heads, head_size=head_size, tokens=tokens)
    token_ids, starts, lengths = torch.tensor([[3, 7, 0], [5, 8, memory.scratch], [1, 70, 1]])
    before = memory.entries.clone()
    fused = Decoder(network, memory, SplitAttention(memory, 3, heads), FusedOps(memory, heads, EPS))
    with_kernels = fused.decode(token_ids, starts, lengths)
    memory.entries.copy_(before)
    plain = Decoder(network, memory, RowAttention(memory), TorchOps(memory, heads, EPS))
    close(with_kernels, plain.decode(token_ids, starts, lengths))


def prefill_and_steps(dtype: torch.dtype) -> None:
    """The first layer's keys and values of a prompt: the same bits whether a prefill or decode steps compute them.

    Keys and values only select normed values here, because products with a matrix round by the number of rows.
    """
    heads, kv_heads, head_size, length, start = 4, 2, 16, 6, 3
    network = a_network(heads * head_size, heads, kv_heads, head_size, num_layers=1)
    text, lm_head = network.model.language_model, network.lm_head
    selected = torch.eye(heads * head_size).repeat(2, 1)
    text.layers[0].self_attn.qkv_proj.weight.copy_(selected)
    text.layers[0].self_attn.qkv_proj.bias.zero_()
    for part in (
        text.embed_tokens,
        lm_head,
        *vars(text.layers[0].self_attn).values(),
        *vars(text.layers[0].mlp).values(),
    ):
        part.to(dtype)
    for norm in (text.norm, *(value for name, value in vars(text.layers[0]).items() if name.endswith("norm"))):
        norm.weight = norm.weight.to(dtype)
    memory = a_memory(dtype, kv_heads=kv_heads, head_size=head_size, tokens=16)
    decoder = Decoder(network, memory, SplitAttention(memory, 1, heads), FusedOps(memory, heads, EPS))
    tokens = torch.arange(1, 1 + length)
    decoder.prefill(tokens, start, start)
    prefilled = memory.entries[0, start : start + length].clone()
    memory.entries[0, start : start + length] = 0
    for index in range(length):
        decoder.decode(tokens[index : index + 1], torch.tensor([start]), torch.tensor([index + 1]))
    assert memory.entries[0, start : start + length].equal(prefilled), "a prefill rounds in another way than a step"


def sampling(num_rows: int, num_codes: int, spread: float, top_p: float | None, dtype: torch.dtype) -> None:
    """Rows with settings of their own."""
    vocabulary = num_codes + 5
    logits = (spread * torch.randn(num_rows, vocabulary)).to(dtype)
    logits[:, num_codes:] = 100.0  # these are no codes
    inputs = an_input(num_rows, top_p)
    settings = Sampling(temperature=1.0, top_k=vocabulary, top_p=1.0, num_codes=num_codes)
    plain = TorchSampling(settings, CounterNoise(num_codes, torch.device("cpu")), choose_kept)(logits, inputs)
    assert FusedSampling(num_codes)(logits, inputs).equal(plain)
    assert int(plain.max()) < num_codes


def tied_logits(num_levels: int) -> None:
    """Few different logits, so that many codes are equally likely, also at the limit of top-p."""
    num_codes = 100
    logits, inputs = torch.randint(num_levels, (8, num_codes)).float(), an_input(8, None)
    settings = Sampling(temperature=1.0, top_k=num_codes, top_p=1.0, num_codes=num_codes)
    plain = TorchSampling(settings, CounterNoise(num_codes, torch.device("cpu")), choose_kept)(logits, inputs)
    assert FusedSampling(num_codes)(logits, inputs).equal(plain)


def rows_without_numbers() -> None:
    logits, inputs = torch.randn(4, 20), an_input(4, None)
    tokens = FusedSampling(20)(logits, inputs)
    for row, value in enumerate(("nan", "inf", "-inf")):
        logits[row, 7] = float(value)
    assert FusedSampling(20)(logits, inputs).tolist() == [*3 * [NOT_A_NUMBER], int(tokens[3])]


def an_input(num_rows: int, top_p: float | None) -> Inputs:
    integers = torch.randint(2**53, (6, num_rows))
    temperature = torch.rand(num_rows, dtype=torch.float64) + 0.5
    random_top_p = torch.rand(num_rows, dtype=torch.float64)
    return Inputs(*integers, temperature, random_top_p if top_p is None else torch.full_like(temperature, top_p))


def equal_logits() -> None:
    """All codes are equally likely, so all are kept whatever top-p is, and the noise alone decides."""
    logits, inputs = torch.zeros(3, 20), an_input(3, 0.01)
    kept = CounterNoise(20, torch.device("cpu")).variates(inputs.seeds, inputs.steps)
    assert FusedSampling(20)(logits, inputs).equal(kept.argmin(1))


def checks() -> dict[str, list[Callable[[], None]]]:
    sizes = [(2, 4096), (3, 96), (5, 33), (2, 1)]
    heads = [(4, 2, 32, 16), (8, 1, 64, 64), (2, 2, 16, 6)]
    attentions = [(16, 1, 128, torch.float32), (4, 2, 32, torch.bfloat16), (2, 1, 16, torch.float16)]
    return {
        "attention": [partial(attention, *case) for case in attentions],
        "norms": [partial(norms, *size, dtype) for size in sizes for dtype in DTYPES[:2]],
        "silu_mul": [
            partial(silu_mul, *size, dtype) for size in [(2, 1027), (3, 1024), (5, 2)] for dtype in DTYPES[:2]
        ],
        "fp8": [
            *(partial(conversion, *size, dtype) for size in [(2, 4096), (3, 33), (5, 1)] for dtype in DTYPES[:2]),
            *(partial(product, has_fp8, dtype) for has_fp8 in (True, False) for dtype in DTYPES[:2]),
        ],
        "rotation": [partial(rotation, *case, dtype) for case in heads for dtype in DTYPES[:2]],
        "sampling": [
            partial(sampling, 2, 16384, 3.0, None, torch.bfloat16),
            *(partial(sampling, 6, 100, spread, None, dtype) for spread in (1.0, 6.0) for dtype in DTYPES[:2]),
            *(partial(sampling, 4, 257, 2.0, top_p, torch.float32) for top_p in (1e-6, 0.999, 1.0)),
            *(partial(tied_logits, num_levels) for num_levels in (2, 5)),
            rows_without_numbers,
            equal_logits,
        ],
        "whole_step": [whole_step],
        "prefill": [partial(prefill_and_steps, dtype) for dtype in DTYPES[:2]],
    }


def error_of(cases: list[Callable[[], None]]) -> str | None:
    torch.manual_seed(0)
    for case in cases:
        try:
            case()
        except Exception:
            return f"{case}\n{traceback.format_exc()}"
    return None


if __name__ == "__main__":
    mend()
    with torch.inference_mode():
        json.dump({name: error_of(cases) for name, cases in checks().items()}, sys.stdout)
