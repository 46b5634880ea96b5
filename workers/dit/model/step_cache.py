"""Quality `fast`: some denoise steps are extrapolated from computed ones. Knows one guidance branch of one render."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

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
        self._num_steps = num_steps
        self.computed: tuple[Tensor, ...] = ()
        """The noise of the last two computed steps, or of the one: all that the steps to come depend on."""
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
            noise: Tensor = self.noise(lambda: self._compute(compute))
        return noise

    def replay(self, num_done: int, computed: Sequence[Tensor]) -> None:
        """Brings a new cache to where another one was after `num_done` steps and with these `computed`.

        Older noise has no influence, so that of the first of `computed` stands for it.
        """
        last = max(step for step in computed_steps(self._num_steps) if step < num_done)
        for step in range(num_done):
            noise = computed[-1] if step == last else computed[0]
            self(lambda noise=noise: noise)  # bound now, not at the end of the loop

    def _compute(self, compute: Callable[[], Tensor]) -> Tensor:
        noise = compute()
        self.computed = (*self.computed[-1:], noise)
        return noise


@lru_cache(64)
def computed_steps(num_steps: int) -> Sequence[int]:
    """Which steps of so many are computed, counted from 0."""
    cache, computed = StepCache(num_steps), list[int]()

    def compute(step: int) -> Tensor:
        computed.append(step)
        return torch.zeros(1)

    for step in range(num_steps):
        cache(partial(compute, step))
    return tuple(computed)


class _Noise(nn.Module):
    """Something for the hook to lie on."""

    def forward(self, compute: Callable[[], Tensor]) -> Tensor:
        return compute()
