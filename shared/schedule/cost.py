"""Estimates the device time of a render in each stage before the render starts. The estimate is a cost in relative
units, in which queues, throughput and fair shares are measured.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.jobs.spec import Quality, RenderSettings

# `fast` computes 19 of 50 steps in full. Measurements show that it takes half the time (docs/performance.md).
_FAST_SHARE = 0.5
_DIT_TOKEN_PX = 16 * 16  # pixels of a DiT token
_AR_TOKEN_PX = 32 * 32  # pixels of a condition image for each token of the AR prompt
_UNIT_TOKENS = 4096  # DiT tokens of a 1024x1024 picture, for which one unit of cost is one pixel-step
_UNKNOWN_IMAGE_PX = (1024, 1024)  # assumed size of condition images in records of earlier releases, which lack it


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one render in each stage.

    `ar` is in decode steps of one row. `dit` is in pixel-steps: one pixel of a 1024x1024 picture in one forward pass of
    one denoise step.

    Records of earlier releases have costs in the same units, but those costs are simply proportional to the number of
    pixels. Old and new costs can be added and compared.
    """

    ar: int
    dit: int


@dataclass(frozen=True, slots=True)
class CostModel:
    """The parameters of the cost estimate: the relative device times of the parts of a render.

    `attention_tokens` is the number of tokens at which the attention in a forward pass takes as long as the products
    with the weights. In a transformer block of width w, the products take 24 w^2 n operations for n tokens. The
    attention of n tokens to m tokens takes 4 w n m operations. Both are equal at m = 6 w. The default is for
    GLM-Image's transformer (32 heads of 128, so w = 4096; from its config.json).

    `prefill_token` is the cost of one prompt token, relative to one row in a decode step. The default is computed for
    an H100. With 9 billion weights, a token takes 18 GFLOP, which is 0.04 ms at 500 TFLOP/s. A decode step of 32 rows
    reads all weights in 5.5 ms, which is 0.17 ms per row.

    `vae_pixel` is the cost of decoding one pixel in the VAE, in pixel-steps. A pixel-step is the cost of one pixel in
    one forward pass of the DiT at 1024x1024. The default is the ratio of the two for a whole picture of that size: a
    VAE decoder like that of Stable Diffusion takes 10 TFLOP, and a forward pass 58 TFLOP.
    """

    attention_tokens: float = 6 * 4096
    prefill_token: float = 0.2
    vae_pixel: float = 0.2

    def cost_of(self, settings: RenderSettings) -> Cost:
        """Returns the cost of one render with these settings, in each stage."""
        return Cost(round(self._decode_steps(settings)), round(self._pixel_steps(settings)))

    def forward(self, num_tokens: float, num_condition_tokens: float = 0) -> float:
        """Returns the cost of one forward pass of the DiT. The `num_tokens` tokens attend to themselves and to the
        condition tokens.

        The unit is the pixel-step: one pixel of a 1024x1024 picture in one forward pass.
        """
        relative = 1 + (num_tokens + num_condition_tokens) / self.attention_tokens
        return _DIT_TOKEN_PX * num_tokens * relative / (1 + _UNIT_TOKENS / self.attention_tokens)

    def _decode_steps(self, settings: RenderSettings) -> float:
        prompt_tokens = sum(width * height for width, height in _image_sizes(settings)) / _AR_TOKEN_PX
        return settings.num_decode_steps + self.prefill_token * prompt_tokens

    def _pixel_steps(self, settings: RenderSettings) -> float:
        """Returns the cost of a render in the DiT, in pixel-steps: pixels x forward passes of all steps, relative to a
        1024x1024 picture.

        Each step has a forward pass with the prompt, and a step with guidance has a second one without it. Only the
        pass with the prompt attends to the condition images. In addition, each condition image takes one forward pass
        per render.
        """
        num_pixels = settings.width_px * settings.height_px
        num_tokens = num_pixels / _DIT_TOKEN_PX
        conditions = [width * height / _DIT_TOKEN_PX for width, height in _image_sizes(settings)]
        steps = settings.num_denoise_steps * self.forward(num_tokens, sum(conditions))
        steps += len(settings.guided_steps) * self.forward(num_tokens)
        share = _FAST_SHARE if settings.quality is Quality.FAST else 1.0
        passes = sum(map(self.forward, conditions))
        return share * steps + passes + self.vae_pixel * num_pixels


DEFAULT_COSTS = CostModel()


def cost_of(settings: RenderSettings, model: CostModel = DEFAULT_COSTS) -> Cost:
    """Returns the cost of one render with these settings, in each stage."""
    return model.cost_of(settings)


def fitted(steps: Iterable[tuple[int, float]], model: CostModel = DEFAULT_COSTS) -> CostModel:
    """Returns the cost model with its attention parameter fitted to measured denoise steps. `steps` are pairs: the
    pixels of the picture, and the seconds per step.

    A line is fitted by least squares to the seconds per token, over the number of tokens. The value of the line at 0
    tokens is the time for the products with the weights, and its slope is the time for the attention. With only one
    size, or with a falling line, the attention can't be fitted, so the cost model is returned unchanged.
    """
    points = [(pixels / _DIT_TOKEN_PX, step_s * _DIT_TOKEN_PX / pixels) for pixels, step_s in steps]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    start = mean_y - slope * mean_x
    return replace(model, attention_tokens=start / slope) if slope > 0 and start > 0 else model


def _image_sizes(settings: RenderSettings) -> Iterable[tuple[int, int]]:
    known = settings.image_sizes
    return known if len(known) == len(settings.images) else [_UNKNOWN_IMAGE_PX] * len(settings.images)
