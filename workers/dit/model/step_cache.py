"""Implements quality `fast`: the noise of some denoise steps is extrapolated from earlier steps instead of computed.

Each `StepCache` serves one guidance branch of one render.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
from diffusers import CacheMixin, TaylorSeerCacheConfig
from torch import Tensor, nn

_INTERVAL = 3  # every third step is computed: 19 of 50 steps with the first and last ones, 9 of 20
_WARM_UP_STEPS = 3  # always computed, because the first steps decide the composition of a picture


class StepCache(nn.Module, CacheMixin):
    """Computes the noise of every third step, and extrapolates the noise of the steps between linearly (TaylorSeer of
    order 1). The first three steps and the last one are always computed.

    Only a step's index decides whether it is computed, so a request gives the same picture whatever runs beside it.
    diffusers' caching hook is installed on this object and never on the transformer. So the hook's state ends with the
    render, and renders without `fast` can't be affected. Source: "From Reusing to Forecasting",
    https://huggingface.co/papers/2503.06923.
    """

    def __init__(self, num_steps: int) -> None:
        super().__init__()
        self._num_steps = num_steps
        self.computed: tuple[Tensor, ...] = ()
        """The noise of the last computed steps, at most two. Later steps depend on no older noise."""
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
        """Returns the noise of the next step. It calls `compute` if that step is computed, and extrapolates the noise
        otherwise.
        """
        with self.cache_context("branch"):  # type: ignore[operator] # diffusers has no types
            noise: Tensor = self.noise(lambda: self._compute(compute))
        return noise

    def replay(self, num_done: int, computed: Sequence[Tensor]) -> None:
        """Brings a new cache into the state that another cache had after `num_done` steps. `computed` is the noise of
        the last steps that the other cache computed.

        Noise of earlier steps has no influence on later steps. So the first tensor of `computed` stands in for it.
        """
        last = max(step for step in computed_steps(self._num_steps) if step < num_done)
        for step in range(num_done):
            noise = computed[-1] if step == last else computed[0]
            self(lambda noise=noise: noise)  # the default argument binds this step's noise

    def _compute(self, compute: Callable[[], Tensor]) -> Tensor:
        noise = compute()
        self.computed = (*self.computed[-1:], noise)
        return noise


@lru_cache(64)
def computed_steps(num_steps: int) -> Sequence[int]:
    """Returns the indices, from 0, of the steps that are computed instead of extrapolated, for a render of `num_steps`
    steps.
    """
    cache, computed = StepCache(num_steps), list[int]()

    def compute(step: int) -> Tensor:
        computed.append(step)
        return torch.zeros(1)

    for step in range(num_steps):
        cache(partial(compute, step))
    return tuple(computed)


class _Noise(nn.Module):
    """A torch module that only calls the function `compute`. It exists because diffusers' caching hook can be installed
    only on a torch module.
    """

    def forward(self, compute: Callable[[], Tensor]) -> Tensor:
        return compute()
