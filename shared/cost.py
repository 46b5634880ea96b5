"""Computes the cost of a render in each stage before it begins. Queues, paces and fair shares count in it."""

from dataclasses import dataclass

from shared.job_spec import Quality, RenderSettings

# `fast` computes 19 of 50 steps in full, and half the time was measured to be left of it (docs/performance.md).
_FAST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Cost:
    """`ar` in decode steps, `dit` in pixel-steps: pixels x denoise steps, twice with guidance."""

    ar: int
    dit: int


def cost_of(settings: RenderSettings) -> Cost:
    """The cost of one render with these settings."""
    num_pixels = settings.width_px * settings.height_px
    pixel_steps = dit_cost(num_pixels, settings.num_inference_steps, is_guided=settings.guidance_scale > 1)
    share = _FAST_SHARE if settings.quality is Quality.FAST else 1.0
    return Cost(settings.num_decode_steps, round(share * pixel_steps))


def dit_cost(num_pixels: int, num_inference_steps: int, *, is_guided: bool) -> int:
    """Pixel-steps of a picture whose steps are all computed."""
    return num_pixels * num_inference_steps * (2 if is_guided else 1)
