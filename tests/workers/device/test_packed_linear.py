"""Packed linear layers compute what torch's own do, and stand where those stood."""

import pytest
import torch
from torch import nn

from workers.device.packed_linear import PackedLinear, make_linear, pack_linears

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")


@pytest.mark.parametrize("shape", [(1, 96), (16, 96), (2, 5, 96), (0, 96)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_packed_layer_computes_what_the_plain_one_does(shape: tuple[int, ...], has_bias: bool) -> None:
    torch.manual_seed(1)
    plain = nn.Linear(96, 80, bias=has_bias)
    packed = make_linear(plain.weight, plain.bias)
    rows = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(packed(rows), plain(rows), rtol=0, atol=2e-6)


def test_rows_that_lie_apart_in_memory_are_read_right() -> None:
    torch.manual_seed(2)
    plain, rows = nn.Linear(96, 80), torch.randn(96, 7).T
    with torch.inference_mode():
        torch.testing.assert_close(make_linear(plain.weight, plain.bias)(rows), plain(rows), rtol=0, atol=2e-6)


def test_every_linear_of_a_module_is_packed_and_counts_the_same_bytes() -> None:
    module = nn.Sequential(nn.Linear(32, 64), nn.Sequential(nn.ReLU(), nn.Linear(64, 16, bias=False)))
    before = sum(weight.numel() * weight.element_size() for weight in module.parameters())
    pack_linears(module)
    assert [type(part) for part in module.modules()].count(PackedLinear) == 2
    assert sum(weight.numel() * weight.element_size() for weight in module.parameters()) == before


def test_half_precision_stays_as_it_is() -> None:
    plain = nn.Linear(32, 64).bfloat16()
    layer = make_linear(plain.weight, plain.bias)
    rows = torch.randn(3, 32).bfloat16()
    assert isinstance(layer, nn.Linear)
    assert layer(rows).equal(plain(rows))
