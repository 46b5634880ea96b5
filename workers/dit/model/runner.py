"""Runs the diffusion transformer: renders in, pictures out. Tensors only: no queue, no policy, no files."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from PIL import Image
from torch import Tensor

from shared.errors import RenderFailed
from shared.geometry import GridSize
from shared.jobs.leases import Claim
from shared.jobs.spec import Quality, RenderSettings
from shared.jobs.token_grid import Prior
from workers.dit.handover.saved_state import SavedState
from workers.dit.memory import RenderBytes
from workers.dit.model.conditions import ConditionCache, condition_set, refuse_other_sizes
from workers.dit.model.denoise_state import DenoiseState
from workers.dit.model.denoiser import Branch, Denoiser
from workers.dit.model.glyphs import GlyphEncoder
from workers.dit.model.latents import decode_latents, initial_latents, preprocess_image, shrink_latents
from workers.dit.model.loading import DitModel
from workers.dit.model.prior_tokens import checked_prior, doubled_token_ids
from workers.dit.model.schedule import Schedules
from workers.dit.model.step_cache import StepCache
from workers.dit.needs import needs_of
from workers.dit.plan import Plan

_PREVIEW_PX = 256


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRender:
    """A render before its first step: host tensors only. `glyph_rows` are token ids, `pixels` one tensor per image.

    `saved`: where another worker has left it, between two denoise steps.
    """

    claim: Claim
    prior: Prior
    token_ids: Tensor
    glyph_rows: Sequence[list[int]]
    pixels: tuple[Tensor, ...]
    saved: SavedState | None = None


class DitRunner:
    """Token grid to picture, as `GlmImagePipeline` does it from its prior tokens on.

    Every method raises `RenderFailed`: `out_of_memory` when the device is full, and what it names itself.
    """

    def __init__(self, model: DitModel, denoiser: Denoiser | None = None, plan: Plan | None = None) -> None:
        """`denoiser` is where noise is predicted, the model's own device if none is given.

        `plan` says how many rows of which size share a pass; without one every row has its own.
        """
        self._model = model
        self._plan = plan or Plan()
        self._glyphs = GlyphEncoder(model)
        self._schedules = Schedules(model)
        self._conditions = ConditionCache(model)
        self._denoiser = denoiser or Denoiser(model)

    def start(self, claim: Claim, images: Sequence[Image.Image]) -> DenoiseState:
        """`prepare` and `begin` in one."""
        return self.begin(self.prepare(claim, images))

    def prepare(self, claim: Claim, images: Sequence[Image.Image], saved: SavedState | None = None) -> PreparedRender:
        """What needs no device; any thread may call it. `images` are the RGB condition images, in order.

        Raises `RenderFailed`: `bad_prior`, `bad_condition_image`.
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
        """Returns the claim's prior. Raises `RenderFailed("bad_prior")` unless it fits the claim and the codebook."""
        return checked_prior(claim.prior, claim.settings, self._model.num_codes)

    @torch.no_grad()
    def begin(self, prepared: PreparedRender) -> DenoiseState:
        """Everything that the device computes once a render; also for one that goes on between two steps."""
        settings = prepared.claim.settings
        width_px, height_px = settings.width_px, settings.height_px
        with _named_failures():
            scheduler = self._schedules.make(width_px, height_px, settings.num_inference_steps)
            state = DenoiseState(
                scheduler=scheduler,
                times=self._denoiser.embed_times(scheduler.timesteps, width_px, height_px),
                latents=initial_latents(self._model, width_px, height_px, prepared.claim.seed),
                branches=self._branches(prepared),
                guidance_scale=settings.guidance_scale,
                size=settings.grid,
            )
            if prepared.saved:
                prepared.saved.restore(state)
            return state

    @torch.no_grad()
    def restore_conditions(self, state: DenoiseState, prepared: PreparedRender) -> None:
        """Computes the condition keys of a render again where it has lost them: the same as before, to the bit."""
        if prepared.pixels and state.conditions is None:
            with _named_failures():
                state.set_conditions(self._conditions_of(prepared))

    def denoise_step(self, state: DenoiseState) -> None:
        """Moves the latents one step. Raises `RenderFailed("nan_latents")` when they are not numbers any more."""
        (failure,) = self.denoise_steps([state])
        if failure:
            raise failure

    @torch.no_grad()
    def denoise_steps(self, states: Sequence[DenoiseState]) -> list[RenderFailed | None]:
        """One step of every state. What fails one render alone (`nan_latents`) is returned in its place."""
        with _named_failures():
            rows = [row for state in states for row in state.rows()]
            noises = iter(self._denoiser.predict(rows, self.max_batch(states[0].size)))
            for state in states:
                state.advance([next(noises) for _ in state.branches])
            # Waits for the device, so progress is true and a device that hangs is seen in the step that hangs.
            are_finite = torch.stack([state.latents.isfinite().all() for state in states]).tolist()
        return [None if is_finite else _nan_latents(state) for state, is_finite in zip(states, are_finite, strict=True)]

    def max_batch(self, size: GridSize) -> int:
        """How many rows of this size share a pass, so how many renders are worth stepping together; never changes.

        1 but on a CPU in float32: elsewhere another shape is rounded so that it gives another picture, and two workers
        may have measured different plans.
        """
        return self._plan.rows_per_pass(size) if self._is_exact else 1

    @property
    def _is_exact(self) -> bool:
        return self._model.device.type == "cpu" and self._model.dtype == torch.float32

    @property
    def most_together(self) -> int:
        """The most renders that gain from a common step, of any size."""
        return self._plan.most_rows if self._is_exact else 1

    @torch.no_grad()
    def preview(self, state: DenoiseState) -> Image.Image:
        """The picture that the last step leads to, from shrunken latents: at most 256 px on the long side."""
        with _named_failures():
            latents = shrink_latents(state.clean_latents(), _PREVIEW_PX // self._model.vae_scale_factor)
            return decode_latents(self._model, latents)

    @torch.no_grad()
    def decode(self, state: DenoiseState) -> Image.Image:
        """The RGB picture of a finished state."""
        assert state.is_done
        with _named_failures():
            return decode_latents(self._model, state.latents)

    def needs(self, claim: Claim) -> RenderBytes:
        """Returns the device memory that the render will take."""
        return needs_of(self._model, claim)

    def forget_conditions(self, key: Hashable) -> None:
        """Keeps one set of condition keys no longer for the renders to come."""
        self._conditions.forget(key)

    def release_unused(self) -> None:
        """Gives memory back that the allocator keeps for later: the device was full."""
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()

    def free(self) -> None:
        """Lets go of what the renders of one job share: for a worker that has no edits to do."""
        self._conditions.clear()

    def _branches(self, prepared: PreparedRender) -> tuple[Branch, ...]:
        settings, denoiser = prepared.claim.settings, self._denoiser
        conditional = denoiser.conditional(
            glyphs=self._glyphs.encode(prepared.glyph_rows),
            token_ids=prepared.token_ids.to(self._model.device),
            conditions=self._conditions_of(prepared) if prepared.pixels else None,
            step_cache=_step_cache(settings),
        )
        if settings.guidance_scale <= 1:
            return (conditional,)
        return conditional, denoiser.unconditional(self._glyphs.empty, _step_cache(settings))

    def _conditions_of(self, prepared: PreparedRender) -> GlmImageKVCache:
        claim, grids = prepared.claim, prepared.prior.condition_grids
        return self._conditions.get(condition_set(claim), prepared.pixels, grids)


def _step_cache(settings: RenderSettings) -> StepCache | None:
    return StepCache(settings.num_inference_steps) if settings.quality is Quality.FAST else None


def _nan_latents(state: DenoiseState) -> RenderFailed:
    return RenderFailed("nan_latents", f"denoise step {state.num_done} produced NaN or infinite latents")


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RenderFailed("out_of_memory", str(error).partition("\n")[0]) from error
