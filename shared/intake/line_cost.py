"""Estimates the cost of a batch line: its pictures, their pixels, and the device time in both stages."""

from shared.batches.batch import BatchCost
from shared.geometry import aligned_size
from shared.ids import ObjectKey
from shared.intake.request import JobRequest
from shared.intake.spec import DEFAULT_SIZE, asked_size
from shared.jobs.spec import RenderSettings
from shared.schedule.cost import cost_of

_ANY_IMAGE = ObjectKey("inputs/any.png")  # the size of an image is unknown until it is fetched


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
        images=(_ANY_IMAGE,) * len(request.images),
    )
    one, n = cost_of(settings), request.n
    return BatchCost(1, n, n * width * height, 0 if request.prior else n * one.ar, n * one.dit)
