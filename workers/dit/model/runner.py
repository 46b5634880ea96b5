"""Runs the diffusion transformer: takes renders and returns pictures. It knows no queue, no scheduling and no files."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from PIL import Image
from torch import Tensor

from shared.errors import RenderFailed
from shared.geometry import SIZE_MULTIPLE_PX, GridSize
from shared.jobs.leases import Claim
from shared.jobs.spec import Quality, RenderSettings
from shared.jobs.token_grid import Prior
from workers.dit.handover.saved_state import SavedState
from workers.dit.memory import RenderBytes
from workers.dit.memory_needs import needs_of
from workers.dit.model.conditions import ConditionCache, condition_set, refuse_other_sizes
from workers.dit.model.denoise_state import DenoiseState
from workers.dit.model.denoiser import Branch, Denoiser, Row
from workers.dit.model.glyphs import GlyphEncoder
from workers.dit.model.latents import decode_latents, initial_latents, preprocess_image, shrink_latents
from workers.dit.model.loading import DitModel
from workers.dit.model.prior_tokens import checked_prior, doubled_token_ids
from workers.dit.model.schedule import Schedules
from workers.dit.model.step_cache import StepCache
from workers.dit.plan import Plan

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
        plan: Plan | None = None,
        *,
        guidance_batch_px: int = 0,
    ) -> None:
        """Creates the runner. `denoiser` predicts the noise; the default computes everything on the model's own device.

        `plan` says how many rows (guidance branches of renders) of a picture size share a forward pass. Without a plan
        each row has a pass of its own. Up to `guidance_batch_px` pixels, the two rows of one render share a pass in
        any case, if they fit together.
        """
        self._model = model
        self._plan = plan or Plan()
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

    def denoise_step(self, state: DenoiseState) -> None:
        """Runs one denoise step of a render. Raises `RenderFailed("nan_latents")` if its latents become NaN or
        infinite.
        """
        (failure,) = self.denoise_steps([state])
        if failure:
            raise failure

    @torch.no_grad()
    def denoise_steps(self, states: Sequence[DenoiseState]) -> list[RenderFailed | None]:
        """Runs one denoise step of every render. Returns a list with the failure of each render (`nan_latents`), or
        None for a render without a failure.
        """
        with _named_failures():
            rows = [state.rows() for state in states]
            for state, noises in zip(states, self._predict(rows, states[0].size), strict=True):
                state.advance(noises)
            # This waits for the device. So progress is correct, and a hang is noticed in the step that hangs.
            are_finite = torch.stack([state.latents.isfinite().all() for state in states]).tolist()
        return [None if is_finite else _nan_latents(state) for state, is_finite in zip(states, are_finite, strict=True)]

    def max_batch(self, size: GridSize) -> int:
        """Returns how many rows of this picture size share a forward pass. A row is one guidance branch of a render.
        The scheduler puts no more renders than this number into one step. The number never changes while the worker
        runs.

        The number is 1 except on a CPU in float32. Elsewhere, the number of rows in a pass changes the rounding. A
        picture would then depend on the other renders in its pass, and on the plan that its worker has measured.
        """
        return self._plan.rows_per_pass(size) if self._model.is_exact else 1

    def _predict(self, rows: Sequence[Sequence[Row]], size: GridSize) -> Sequence[Sequence[Tensor]]:
        """Returns the noise of the rows of each render. Rows of different renders share a forward pass only where this
        changes no picture (`max_batch`).
        """
        both = 2 if size.num_tokens * SIZE_MULTIPLE_PX**2 <= self._guidance_batch_px else 1
        max_rows = max(self.max_batch(size), both)
        if not self._model.is_exact:
            return [self._denoiser.predict(own, max_rows) for own in rows]
        noises = iter(self._denoiser.predict(list(chain.from_iterable(rows)), max_rows))
        return [list(islice(noises, len(own))) for own in rows]

    @property
    def device(self) -> torch.device:
        """The device on which the runner computes."""
        return self._model.device

    @property
    def most_together(self) -> int:
        """The largest number of renders for which a common step is faster than separate steps, over all sizes of
        pictures.
        """
        return self._plan.most_rows if self._model.is_exact else 1

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


def _nan_latents(state: DenoiseState) -> RenderFailed:
    return RenderFailed("nan_latents", f"denoise step {state.num_done} produced NaN or infinite latents")


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RenderFailed("out_of_memory", str(error).partition("\n")[0]) from error
