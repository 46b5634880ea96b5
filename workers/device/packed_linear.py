"""Linear layers for a CPU, with their weights in oneDNN's own blocked order. Knows nothing of models."""

import torch
from torch import Tensor, nn


class PackedLinear(nn.Module):
    """`nn.Linear` in float32 without gradients, whose weight was reordered once.

    torch's own linear asks MKL, which leaves half of the vector width of AMD's cores unused: 16 rows of a mid-size
    decode step took 21 ms there and 7 here, one row 12 and 5 (2 cores; the weights have to be read from memory).
    The reordered weight is opaque: it can be counted, not read.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = nn.Parameter(bias.detach(), requires_grad=False) if bias is not None else None

    def forward(self, rows: Tensor) -> Tensor:
        """(..., in features) -> (..., out features)."""
        # The operator that torch's own compiler emits for a CPU; it has no public name.
        out: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return out


def make_linear(weight: Tensor, bias: Tensor | None) -> nn.Module:
    """The layer that is quickest where the weight lies."""
    if _can_pack(weight):
        return PackedLinear(weight, bias)
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta", dtype=weight.dtype)
    linear.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return linear


def pack_linears(module: nn.Module) -> None:
    """Replaces every `nn.Linear` below `module` that can be packed. The old weights are let go one by one."""
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, make_linear(child.weight, child.bias))
        else:
            pack_linears(child)


def _can_pack(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
