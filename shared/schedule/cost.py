"""Computes the cost of a render in each stage before it begins. Queues, paces and fair shares count in it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shared.jobs.spec import Quality, RenderSettings

# `fast` computes 19 of 50 steps in full, and half the time was measured to be left of it (docs/performance.md).
_FAST_SHARE = 0.5
_DIT_TOKEN_PX = 16 * 16  # pixels of a DiT token
_AR_TOKEN_PX = 32 * 32  # pixels of a condition image for each token of the AR prompt
_UNIT_TOKENS = 4096  # of a 1024x1024 picture, where a unit is one pixel-step
_UNKNOWN_IMAGE_PX = (1024, 1024)  # of condition images in records of earlier releases, which do not tell


@dataclass(frozen=True, slots=True)
class Cost:
    """`ar` in decode steps of a row. `dit` in pixel-steps of a 1024x1024 picture: pixels x steps x forwards of a step.

    Earlier releases counted in the same units, but charged other sizes in proportion to their pixels. So costs of both
    may be added and compared.
    """

    ar: int
    dit: int


@dataclass(frozen=True, slots=True)
class CostModel:
    """What the parts of a render take, in proportion to each other.

    `attention_tokens` are the tokens at which a forward's attention takes as long as its products with the weights. Of
    width w, a block computes 24 w^2 n for n tokens and 4 w n m for their attention to m tokens: equal at m = 6 w. The
    default is that of GLM-Image's transformer (32 heads of 128, so w = 4096; its config.json).

    `prefill_token` is a prompt token in decode steps of a row. The default is an H100's by arithmetic. 9 billion
    weights take 18 GFLOP a token, 0.04 ms at 500 TFLOP/s. A decode step of 32 rows reads them in 5.5 ms, 0.17 ms a row.

    `vae_pixel` is the VAE's decoding of a pixel, in pixel-steps. The default is the 10 TFLOP of a decoder like Stable
    Diffusion's at 1024x1024, beside the 58 TFLOP of a forward.
    """

    attention_tokens: float = 6 * 4096
    prefill_token: float = 0.2
    vae_pixel: float = 0.2

    def cost_of(self, settings: RenderSettings) -> Cost:
        """Returns the cost of one render with these settings."""
        return Cost(round(self._decode_steps(settings)), round(self._pixel_steps(settings)))

    def forward(self, num_tokens: float, num_condition_tokens: float = 0) -> float:
        """Returns the pixel-steps of a forward whose tokens attend to themselves and to the condition tokens."""
        relative = 1 + (num_tokens + num_condition_tokens) / self.attention_tokens
        return _DIT_TOKEN_PX * num_tokens * relative / (1 + _UNIT_TOKENS / self.attention_tokens)

    def _decode_steps(self, settings: RenderSettings) -> float:
        prompt_tokens = sum(width * height for width, height in _image_sizes(settings)) / _AR_TOKEN_PX
        return settings.num_decode_steps + self.prefill_token * prompt_tokens

    def _pixel_steps(self, settings: RenderSettings) -> float:
        """Only the conditional forward reads the condition images. Each of them has one forward of its own."""
        num_pixels = settings.width_px * settings.height_px
        num_tokens = num_pixels / _DIT_TOKEN_PX
        conditions = [width * height / _DIT_TOKEN_PX for width, height in _image_sizes(settings)]
        step = self.forward(num_tokens, sum(conditions))
        if settings.guidance_scale > 1:
            step += self.forward(num_tokens)
        share = _FAST_SHARE if settings.quality is Quality.FAST else 1.0
        passes = sum(map(self.forward, conditions))
        return share * settings.num_inference_steps * step + passes + self.vae_pixel * num_pixels


DEFAULT_COSTS = CostModel()


def cost_of(settings: RenderSettings, model: CostModel = DEFAULT_COSTS) -> Cost:
    """Returns the cost of one render with these settings."""
    return model.cost_of(settings)


def fitted(steps: Iterable[tuple[int, float]], model: CostModel = DEFAULT_COSTS) -> CostModel:
    """Returns the model with the attention that was measured: `steps` are pixels of pictures and seconds of a step.

    Seconds by token lie on a line over the tokens: the weights' products at its start, attention in its slope. It is
    the line of least squares. One size, or a line that falls, says nothing of attention: the model stays as it is.
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
