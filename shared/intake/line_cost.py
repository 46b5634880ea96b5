"""Estimates the cost of a batch line: its pictures, their pixels, and the device time in both stages."""

from shared.batches.batch import BatchCost
from shared.geometry import aligned_size
from shared.intake.checks import asked_size
from shared.intake.request import JobRequest
from shared.intake.spec import ANY_IMAGE, DEFAULT_SIZE
from shared.jobs.spec import RenderSettings
from shared.schedule.cost import cost_of


def cost_of_line(request: JobRequest) -> BatchCost:
    """Returns the cost of a valid request, without reading its condition images.

    An edit or a re-render without a size counts as 1024x1024.
    """
    width, height = aligned_size(*(asked_size(request) or DEFAULT_SIZE))
    settings = RenderSettings(
        prompt="",
        width_px=width,
        height_px=height,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        quality=request.quality,
        images=(ANY_IMAGE,) * len(request.images),
    )
    return cost_of_job(request, settings)


def cost_of_job(request: JobRequest, settings: RenderSettings) -> BatchCost:
    """Returns the cost of all pictures of a request, which have these settings. A re-render has no cost in AR."""
    one, n = cost_of(settings), request.n
    pixels = n * settings.width_px * settings.height_px
    return BatchCost(1, n, pixels, 0 if request.prior else n * one.ar, n * one.dit)
