"""Linear layers whose weights are in FP8, for GPUs that multiply matrices in FP8. Plain torch, without torchao.

The weights are ordinary tensors. So they can be parked in host memory, and a CUDA graph can read them.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn
from torch.nn.functional import ScalingType

FP8 = torch.float8_e4m3fn
MAX_FP8 = 448.0  # the largest number of FP8
LEAST = 1e-12  # stands for the largest number of a row of zeros, which would divide by 0
_CAPABILITY = (8, 9)  # compute capability of Ada; the first GPUs with FP8 in hardware are Ada and Hopper
_PROBE_SIZE = 64


def to_fp8(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Returns `rows` (rows, size) in FP8, and the scale of each row (rows, 1) in float32.

    The largest number of a row becomes 448, the largest number of FP8. Each row is converted by itself. A row with NaN
    or infinite numbers gets NaN.
    """
    largest = rows.abs().amax(dim=-1, keepdim=True).float().clamp(min=LEAST)
    return (rows.float() * (MAX_FP8 / largest)).to(FP8), largest * (1.0 / MAX_FP8)


class Fp8Linear(nn.Module):
    """An `nn.Linear` for inference. Its weight is in FP8, with one scale for each row, which is one output feature.

    The inputs of a product are converted to FP8 when they are known, with one scale for each row ("dynamic
    activations"). The product is summed in float32, and its result has the number type of the bias and of the inputs.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scales = to_fp8(linear.weight.detach())
        self.out_features, self.in_features = weight.shape
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.scales = nn.Parameter(scales.flatten(), requires_grad=False)
        self.bias = nn.Parameter(linear.bias.detach(), requires_grad=False) if linear.bias is not None else None

    def forward(self, rows: Tensor) -> Tensor:
        """Applies the layer to each row: (rows, in features) becomes (rows, out features)."""
        return self.product(*to_fp8(rows), rows.dtype)

    def product(self, rows: Tensor, scales: Tensor, dtype: torch.dtype) -> Tensor:
        """Applies the layer to rows that are in FP8 already. `scales` (rows, 1) are their scales. The result is
        (rows, out features) in `dtype`.
        """
        # With fast accumulation, Hopper would sum with fewer bits. A decode step waits for memory, so it gains nothing.
        out: Tensor = F.scaled_mm(
            rows,
            self.weight.T,
            scales,
            ScalingType.RowWise,
            self.scales.unsqueeze(0),
            ScalingType.RowWise,
            bias=self.bias,
            output_dtype=dtype,
            use_fast_accum=False,
        )
        return out


def convert_linears(module: nn.Module) -> None:
    """Replaces every `nn.Linear` inside `module` by an `Fp8Linear`. Each old weight is freed as soon as it is
    replaced.
    """
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, Fp8Linear(child))
        else:
            convert_linears(child)


def fp8_problem(device: torch.device, dtype: torch.dtype) -> str | None:
    """Returns why `Fp8Linear` can't compute on the device in this number type, or None if it can. It computes one small
    product.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < _CAPABILITY:
        return "it needs a GPU of compute capability 8.9 or more (Ada, Hopper, Blackwell)"
    if dtype != torch.bfloat16:
        return f"it needs GRIDPRESS_DTYPE=bfloat16, not {str(dtype).removeprefix('torch.')}"
    try:
        _try_product(device)
    except (RuntimeError, ValueError) as error:
        return str(error).strip().partition("\n")[0]
    return None


def _try_product(device: torch.device) -> None:
    linear = nn.Linear(_PROBE_SIZE, _PROBE_SIZE, device=device, dtype=torch.bfloat16)
    Fp8Linear(linear)(torch.ones(1, _PROBE_SIZE, device=device, dtype=torch.bfloat16))
    torch.cuda.synchronize(device)
