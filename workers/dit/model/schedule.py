"""Computes the times and noise levels of denoise steps, once for each picture size and number of steps.

It does what step 7 of `GlmImagePipeline.__call__` does.
"""

import copy
import math
from functools import lru_cache

import numpy as np
from diffusers import FlowMatchEulerDiscreteScheduler

from shared.jobs.spec import Quality, RenderSettings
from workers.dit.model.loading import DitModel
from workers.dit.model.solvers import SecondOrderScheduler

_CACHED_SCHEDULES = 64  # schedules in the cache, of two short tensors each


class Schedules:
    """Makes a diffusers scheduler for every render. Renders can't share a scheduler, because it counts their steps.

    Renders of one picture size and number of steps share the scheduler's tensors.
    """

    def __init__(self, model: DitModel) -> None:
        self._model = model
        self._fresh = lru_cache(_CACHED_SCHEDULES)(self._make)

    def of(self, settings: RenderSettings) -> FlowMatchEulerDiscreteScheduler | SecondOrderScheduler:
        """Returns a new scheduler for a render with these settings: of second order with quality `few_steps`."""
        euler = self.make(settings.width_px, settings.height_px, settings.num_denoise_steps)
        return SecondOrderScheduler(euler) if settings.quality is Quality.FEW_STEPS else euler

    def make(self, width_px: int, height_px: int, num_steps: int) -> FlowMatchEulerDiscreteScheduler:
        """Returns a new Euler scheduler for one render, which is the reference's.

        The scheduler's `timesteps` are whole numbers. Its noise levels are shifted; the shift depends on the picture's
        size.
        """
        return copy.copy(self._fresh(width_px, height_px, num_steps))

    def _make(self, width_px: int, height_px: int, num_steps: int) -> FlowMatchEulerDiscreteScheduler:
        model = self._model
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(model.scheduler_config)
        num_train_steps = scheduler.config.num_train_timesteps
        timesteps = np.linspace(num_train_steps, 1.0, num_steps + 1)[:-1].astype(np.int64).astype(np.float32)
        num_tokens = (height_px // model.token_px) * (width_px // model.token_px)
        scheduler.set_timesteps(
            timesteps=timesteps,
            sigmas=timesteps / num_train_steps,
            mu=_shift(scheduler, num_tokens),
            device=model.device,
        )
        return scheduler


def _shift(scheduler: FlowMatchEulerDiscreteScheduler, num_tokens: int) -> float:
    """Returns how far the noise levels are shifted towards noise, as diffusers' `calculate_shift` does. The shift grows
    with the picture's side.
    """
    config = scheduler.config
    side = math.sqrt(num_tokens / config.get("base_image_seq_len", 256))
    return float(side * config.get("max_shift", 0.75) + config.get("base_shift", 0.25))
