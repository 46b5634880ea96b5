"""Says how the DiT computes on each kind of device, unless settings say otherwise. Plain data without torch.

No GPU has measured these choices yet. They follow from what each generation of GPUs has in hardware.
"""

from dataclasses import dataclass
from typing import Literal

Capability = tuple[int, int]
"""The compute capability of a GPU, such as (9, 0) for an H100."""


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """How the DiT computes on one kind of device.

    - `compiler` is a backend of `torch.compile`, and `attention` an attention backend of diffusers. None: neither
      compiled blocks, nor another attention than torch's own.
    - With `fp8`, renders of every quality but `exact` use a second copy of the blocks, in FP8.
    - With `vae_tiles` `auto`, the VAE decodes in tiles what the memory can't hold beside the weights.
    - With `channels_last`, the VAE's weights lie in that layout, in which convolutions are faster.
    - Up to `guidance_batch_px` pixels, the two guidance branches of a picture share a forward pass. 0: they never do.
    """

    name: str
    compiler: str | None = None
    attention: str | None = None
    fp8: bool = False
    vae_tiles: Literal["auto", "never"] = "auto"
    channels_last: bool = True
    guidance_batch_px: int = 512 * 512


# On a CPU, one row fills the cores: a pass of two rows takes about twice the time of one.
CPU = DeviceProfile("cpu", vae_tiles="never", guidance_batch_px=0)
# An older GPU has no bfloat16 in hardware.
_OLD_GPU = DeviceProfile("gpu", channels_last=False, guidance_batch_px=0)
# By the least compute capability, the newest first. torch's own attention is FlashAttention 2, which is written for
# Ampere and Ada. cuDNN has kernels for Hopper and Blackwell. FP8 is in hardware from Ada on.
_GPUS: tuple[tuple[Capability, DeviceProfile], ...] = (
    ((10, 0), DeviceProfile("sm_100", compiler="inductor", attention="_native_cudnn", fp8=True)),
    ((9, 0), DeviceProfile("sm_90", compiler="inductor", attention="_native_cudnn", fp8=True)),
    ((8, 9), DeviceProfile("sm_89", compiler="inductor", fp8=True)),
    ((8, 0), DeviceProfile("sm_80", compiler="inductor")),
)


def profile_of(capability: Capability | None) -> DeviceProfile:
    """Returns the profile of a GPU with this compute capability, or of the CPU if it is None.

    A capability between two profiles has the lower one: (8, 6) is treated like (8, 0).
    """
    if capability is None:
        return CPU
    return next((profile for least, profile in _GPUS if capability >= least), _OLD_GPU)
