"""How much GPU memory a worker of the full-size model needs, in bytes. docs/devices.md shows these figures.

The sums of weights and the decode of the VAE were computed with the full-size model on tensors without data.
"""

from dataclasses import dataclass
from typing import Self

from shared.settings.settings import Settings

AR_WEIGHTS = 20_200_000_000  # 10.1 billion parameters in bfloat16, with the vision tower and the VQ encoder
AR_IN_FP8 = 12_100_000_000  # the same, with the 8.2 billion weights of the text model's layers in FP8
AR_STEP = 500_000_000  # a prefill, or a condition image in the vision tower
KV_LEAST = 2**31  # 32 renders of 1024x1024
KV_MOST = 8_388_608_000  # 32 renders of 6,400 tokens: the worker's own default
DIT_BLOCKS = 13_600_000_000  # 6.8 billion parameters in bfloat16; FP8 halves them
FP8_COPY = DIT_BLOCKS // 2  # where the profile of a large card adds blocks in FP8; a worker without room has none
DIT_ENCODERS = 1_300_000_000  # glyph encoder and VAE
DIT_WORK = 3_500_000_000  # a denoise step of 2048x2048, or a VAE decode of 1024x1024, or of larger pictures in tiles
CONDITION_IMAGE = 2_100_000_000  # keys and values of one condition image of 1024x1024
CONTEXT = 500_000_000  # of CUDA, for each process


@dataclass(frozen=True, slots=True)
class Needs:
    """The bytes of GPU memory that one worker of each stage needs to serve every picture size.

    `ar` includes the least useful KV memory, `KV_LEAST`. `dit` includes one condition image of 1024x1024.
    """

    ar: int = AR_WEIGHTS + AR_STEP + KV_LEAST + CONTEXT
    dit: int = DIT_BLOCKS + DIT_ENCODERS + DIT_WORK + CONDITION_IMAGE + CONTEXT

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns the needs of the full-size model with these settings."""
        saved = {"all": DIT_BLOCKS // 2, "tiers": -FP8_COPY}.get(settings.dit_fp8, 0)
        saved += DIT_ENCODERS if settings.low_memory else 0
        saved_of_ar = AR_WEIGHTS - AR_IN_FP8 if settings.ar_fp8 else 0
        return cls(ar=cls().ar - saved_of_ar, dit=cls().dit - saved)
