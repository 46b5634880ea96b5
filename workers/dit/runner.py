"""Runs the diffusion transformer, one render a pass. Tensors only: no queue, no policy, no files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from PIL import Image

from shared.errors import RenderFailed
from shared.jobs import Claim
from workers.dit.conditions import cache_conditions
from workers.dit.glyphs import GlyphEncoder
from workers.dit.latents import decode_latents, initial_latents
from workers.dit.model import DitModel
from workers.dit.prior_tokens import checked_prior, doubled_token_ids
from workers.dit.schedule import make_schedule


@dataclass(slots=True, weakref_slot=True)
class DenoiseState:
    """One render between denoise steps; it shares nothing that is written with any other.

    `latents` is (1, channels, height / 8, width / 8), in the model's dtype before the first step and float32 after it.
    `empty_glyphs` is None when there is no guidance, `conditions` None unless the render is an edit.
    """

    scheduler: FlowMatchEulerDiscreteScheduler
    latents: torch.Tensor
    glyphs: torch.Tensor
    empty_glyphs: torch.Tensor | None
    guidance_scale: float
    prior_token_ids: torch.Tensor
    conditions: GlmImageKVCache | None
    target_size: torch.Tensor
    num_done: int = 0

    @property
    def num_steps(self) -> int:
        return len(self.scheduler.timesteps)

    @property
    def is_done(self) -> bool:
        return self.num_done == self.num_steps


class DitRunner:
    """Token grid to picture, as `GlmImagePipeline` does it from its prior tokens on.

    Every method raises `RenderFailed`: `out_of_memory` when the device is full, and what it names itself.
    """

    def __init__(self, model: DitModel) -> None:
        self._model = model
        self._glyphs = GlyphEncoder(model)

    @torch.no_grad()
    def start(self, claim: Claim, images: Sequence[Image.Image]) -> DenoiseState:
        """Everything that is computed once a render. `images` are the RGB condition images, in order."""
        settings, model = claim.settings, self._model
        prior = checked_prior(claim.prior, settings)
        width_px, height_px = settings.width_px, settings.height_px
        with _named_failures():
            return DenoiseState(
                scheduler=make_schedule(model, width_px, height_px, settings.num_inference_steps),
                latents=initial_latents(model, width_px, height_px, claim.seed),
                glyphs=self._glyphs.encode(settings.prompt),
                empty_glyphs=self._glyphs.empty if settings.guidance_scale > 1 else None,
                guidance_scale=settings.guidance_scale,
                prior_token_ids=doubled_token_ids(prior.grid, model.device),
                conditions=cache_conditions(model, images, prior.condition_grids) if images else None,
                target_size=torch.tensor([[height_px, width_px]], dtype=model.dtype, device=model.device),
            )

    @torch.no_grad()
    def denoise_step(self, state: DenoiseState) -> None:
        """Moves the latents one step. Raises `RenderFailed("nan_latents")` when they are not numbers any more."""
        timestep = state.scheduler.timesteps[state.num_done]
        with _named_failures():
            noise = self._predict_noise(state, timestep)
            state.latents = state.scheduler.step(noise, timestep, state.latents, return_dict=False)[0]
            # Waits for the device, so progress is true and a device that hangs is seen in the step that hangs.
            is_finite = bool(state.latents.isfinite().all())
        state.num_done += 1
        if not is_finite:
            raise RenderFailed("nan_latents", f"denoise step {state.num_done} produced NaN or infinite latents")

    @torch.no_grad()
    def decode(self, state: DenoiseState) -> Image.Image:
        """The RGB picture of a finished state."""
        assert state.is_done
        with _named_failures():
            return decode_latents(self._model, state.latents)

    def _predict_noise(self, state: DenoiseState, timestep: torch.Tensor) -> torch.Tensor:
        conditional = self._forward(state, timestep, state.glyphs, drop_prior=False)
        if state.empty_glyphs is None:
            return conditional
        unconditional = self._forward(state, timestep, state.empty_glyphs, drop_prior=True)
        return unconditional + state.guidance_scale * (conditional - unconditional)

    def _forward(
        self, state: DenoiseState, timestep: torch.Tensor, glyphs: torch.Tensor, *, drop_prior: bool
    ) -> torch.Tensor:
        """Predicted noise, float32. The unconditional pass sees neither prior tokens nor condition images."""
        if state.conditions is not None:
            state.conditions.set_mode("skip" if drop_prior else "read")
        noise: torch.Tensor = self._model.transformer(
            hidden_states=state.latents.to(self._model.dtype),
            encoder_hidden_states=glyphs,
            prior_token_id=state.prior_token_ids,
            prior_token_drop=torch.full_like(state.prior_token_ids, drop_prior, dtype=torch.bool),
            timestep=timestep.expand(1) - 1,
            target_size=state.target_size,
            crop_coords=torch.zeros_like(state.target_size),
            kv_caches=state.conditions,
            return_dict=False,
        )[0]
        return noise.float()


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RenderFailed("out_of_memory", str(error).partition("\n")[0]) from error
