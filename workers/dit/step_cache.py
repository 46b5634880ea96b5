"""Quality `fast`: some denoise steps are extrapolated from computed ones. Knows one guidance branch of one render."""

from collections.abc import Callable

import torch
from diffusers import CacheMixin, TaylorSeerCacheConfig
from torch import Tensor, nn

_INTERVAL = 3  # computed are 19 of 50 steps, 9 of 20
_WARM_UP_STEPS = 3  # the composition of a picture is decided in its first steps


class StepCache(nn.Module, CacheMixin):
    """Predicted noise of every third step, extended along its slope in between (TaylorSeer of order 1).

    The first three steps and the last are always computed. What is skipped depends on the step's index alone, so a
    request gives the same picture whatever runs beside it. diffusers' hook lies on this object, never on the
    transformer: its state leaves with the render, and exact renders cannot meet it.
    Source: "From Reusing to Forecasting", https://huggingface.co/papers/2503.06923.
    """

    def __init__(self, num_steps: int) -> None:
        super().__init__()
        self.noise = _Noise()
        self.enable_cache(  # type: ignore[operator] # diffusers has no types
            TaylorSeerCacheConfig(
                cache_interval=_INTERVAL,
                disable_cache_before_step=_WARM_UP_STEPS,
                disable_cache_after_step=num_steps - 1,
                max_order=1,
                taylor_factors_dtype=torch.float32,
                cache_identifiers=["noise"],
            )
        )

    def forward(self, compute: Callable[[], Tensor]) -> Tensor:
        """The next step's noise; `compute` is called only where it has to be."""
        with self.cache_context("branch"):  # type: ignore[operator] # diffusers has no types
            noise: Tensor = self.noise(compute)
        return noise


class _Noise(nn.Module):
    """Something for the hook to lie on."""

    def forward(self, compute: Callable[[], Tensor]) -> Tensor:
        return compute()
