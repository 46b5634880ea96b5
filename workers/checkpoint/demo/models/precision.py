"""Chooses the number format of matrix products for the training on a CPU.

Products in bfloat16 are two to four times as fast as in float32, but only on processors with instructions for them.
On others they were measured to be six times slower.
"""

import torch

MATRIX_DTYPE = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


def mixed_precision() -> torch.autocast:
    """Returns a context in which matrix products are computed in `MATRIX_DTYPE`."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.bfloat16 == MATRIX_DTYPE)
