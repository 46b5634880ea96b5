"""Runs the diffusion transformer: takes renders and returns pictures. It knows no queue, no scheduling and no files."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from PIL import Image
from torch import Tensor

from shared.errors import RenderFailed
from shared.geometry import SIZE_MULTIPLE_PX
from shared.jobs.leases import Claim
from shared.jobs.spec import Quality, RenderSettings
from shared.jobs.token_grid import Prior
from workers.dit.handover.saved_state import SavedState
from workers.dit.memory import RenderBytes
from workers.dit.memory_needs import needs_of
from workers.dit.model.conditions import ConditionCache, condition_set, refuse_other_sizes
from workers.dit.model.denoise_state import DenoiseState
from workers.dit.model.denoiser import Branch, Denoiser
from workers.dit.model.glyphs import GlyphEncoder
from workers.dit.model.latents import decode_latents, initial_latents, preprocess_image, shrink_latents
from workers.dit.model.loading import DitModel
from workers.dit.model.prior_tokens import checked_prior, doubled_token_ids
from workers.dit.model.schedule import Schedules
from workers.dit.model.step_cache import StepCache

_PREVIEW_PX = 256


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRender:
    """A render that is prepared for its first step, with tensors on the host only.

    `glyph_rows` are the token ids of quoted texts; `pixels` has one tensor for each condition image. `saved` is the
    state in which another worker handed the render over, or None.
    """

    claim: Claim
    prior: Prior
    token_ids: Tensor
    glyph_rows: Sequence[list[int]]
    pixels: tuple[Tensor, ...]
    saved: SavedState | None = None


class DitRunner:
    """Makes pictures from token grids. It does the part of `GlmImagePipeline` that follows the AR model.

    Every method may raise `RenderFailed` with the reason `out_of_memory`, if the device is full. Other reasons are
    named at the methods.
    """

    def __init__(
        self,
        model: DitModel,
        denoiser: Denoiser | None = None,
        *,
        guidance_batch_px: int = 0,
    ) -> None:
        """Creates the runner. `denoiser` predicts the noise; the default computes everything on the model's own device.

        Each row (guidance branch of a render) has a forward pass of its own. Up to `guidance_batch_px` pixels, the two
        rows of a render share a pass if they fit together.
        """
        self._model = model
        self._guidance_batch_px = guidance_batch_px
        self._glyphs = GlyphEncoder(model)
        self._schedules = Schedules(model)
        self._conditions = ConditionCache(model)
        self._denoiser = denoiser or Denoiser(model)

    def start(self, claim: Claim, images: Sequence[Image.Image]) -> DenoiseState:
        """Prepares and begins a render in one call."""
        return self.begin(self.prepare(claim, images))

    def prepare(self, claim: Claim, images: Sequence[Image.Image], saved: SavedState | None = None) -> PreparedRender:
        """Does the part of a render's start that needs no device. Any thread may call it.

        `images` are the RGB condition images, in order. `saved` is the state from another worker, if there is one.
        Raises `RenderFailed` with `bad_prior` or `bad_condition_image`.
        """
        prior = self.checked_prior(claim)
        refuse_other_sizes(self._model, images, prior.condition_grids)
        return PreparedRender(
            claim=claim,
            prior=prior,
            token_ids=doubled_token_ids(prior.grid),
            glyph_rows=self._glyphs.tokenize(claim.settings.prompt),
            pixels=tuple(preprocess_image(self._model, image) for image in images),
            saved=saved,
        )

    def checked_prior(self, claim: Claim) -> Prior:
        """Returns the AR stage's output for the claimed render. Raises `RenderFailed("bad_prior")` unless it fits the
        request and the codebook.
        """
        return checked_prior(claim.prior, claim.settings, self._model.num_codes)

    @torch.no_grad()
    def begin(self, prepared: PreparedRender) -> DenoiseState:
        """Computes everything on the device that a render needs only once, and returns the render's state.

        If another worker handed the render over, its saved state is restored.
        """
        settings = prepared.claim.settings
        width_px, height_px = settings.width_px, settings.height_px
        with _named_failures():
            scheduler = self._schedules.of(settings)
            state = DenoiseState(
                scheduler=scheduler,
                times=self._denoiser.embed_times(scheduler.timesteps, width_px, height_px),
                latents=initial_latents(self._model, width_px, height_px, prepared.claim.seed),
                branches=self._branches(prepared),
                guidance_scale=settings.guidance_scale,
                guided_steps=settings.guided_steps,
                size=settings.grid,
            )
            if prepared.saved:
                prepared.saved.restore(state)
            return state

    @torch.no_grad()
    def restore_conditions(self, state: DenoiseState, prepared: PreparedRender) -> None:
        """Computes the keys and values of a render's condition images again, if the render has lost them.

        The result is bit for bit the same as before.
        """
        if prepared.pixels and state.conditions is None:
            with _named_failures():
                state.set_conditions(self._conditions_of(prepared))

    @torch.no_grad()
    def denoise_step(self, state: DenoiseState) -> None:
        """Runs one denoise step of a render. Raises `RenderFailed("nan_latents")` if its latents become NaN or
        infinite.
        """
        is_small = state.size.num_tokens * SIZE_MULTIPLE_PX**2 <= self._guidance_batch_px
        with _named_failures():
            state.advance(self._denoiser.predict(state.rows(), 2 if is_small else 1))
            # This waits for the device. So progress is correct, and a hang is noticed in the step that hangs.
            is_finite = bool(state.latents.isfinite().all())
        if not is_finite:
            reason = f"denoise step {state.num_done} produced NaN or infinite latents"
            raise RenderFailed("nan_latents", reason)

    @property
    def device(self) -> torch.device:
        """The device on which the runner computes."""
        return self._model.device

    @torch.no_grad()
    def preview(self, state: DenoiseState) -> Image.Image:
        """Returns a preview of at most 256 px on the long side: the picture that the last step predicts, decoded from
        shrunken latents.
        """
        with _named_failures():
            latents = shrink_latents(state.clean_latents(), _PREVIEW_PX // self._model.vae_scale_factor)
            return decode_latents(self._model, latents)

    @torch.no_grad()
    def decode(self, state: DenoiseState) -> Image.Image:
        """Decodes the latents of a render that has done all its steps, and returns the RGB picture."""
        assert state.is_done
        with _named_failures():
            return decode_latents(self._model, state.latents)

    def needs(self, claim: Claim) -> RenderBytes:
        """Returns the device memory that a claimed render needs in this stage."""
        return needs_of(self._model, claim)

    def forget_conditions(self, key: Hashable) -> None:
        """Removes the keys and values of a set of condition images from the cache. A render that already has a
        reference to these keys and values can still use them.
        """
        self._conditions.forget(key)

    def release_unused(self) -> None:
        """Frees the unused memory that torch's allocator has cached. Called after the device was full."""
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()

    def free(self) -> None:
        """Frees the cached keys and values of condition images. Called when the worker has no edits."""
        self._conditions.clear()

    def _branches(self, prepared: PreparedRender) -> tuple[Branch, ...]:
        settings, denoiser = prepared.claim.settings, self._denoiser
        conditional = denoiser.conditional(
            glyphs=self._glyphs.encode(prepared.glyph_rows),
            token_ids=prepared.token_ids.to(self._model.device),
            conditions=self._conditions_of(prepared) if prepared.pixels else None,
            step_cache=_step_cache(settings),
            in_fp8=self._is_in_fp8(settings),
        )
        if not settings.guided_steps:
            return (conditional,)
        in_fp8 = self._is_in_fp8(settings)
        return conditional, denoiser.unconditional(self._glyphs.empty, _step_cache(settings), in_fp8=in_fp8)

    def _is_in_fp8(self, settings: RenderSettings) -> bool:
        return self._model.fp8_blocks is not None and settings.quality is not Quality.EXACT

    def _conditions_of(self, prepared: PreparedRender) -> GlmImageKVCache:
        claim, grids = prepared.claim, prepared.prior.condition_grids
        return self._conditions.get(condition_set(claim), prepared.pixels, grids)


def _step_cache(settings: RenderSettings) -> StepCache | None:
    return StepCache(settings.num_inference_steps) if settings.quality is Quality.FAST else None


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RenderFailed("out_of_memory", str(error).partition("\n")[0]) from error
