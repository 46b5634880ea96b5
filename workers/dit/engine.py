"""The DiT stage's engine: schedule, run, record. Renders fail alone; nothing here stores a picture."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from PIL import Image

from shared.errors import GridpressError, RenderFailed
from shared.ids import ObjectKey, RenderId
from shared.jobs import Claim, Progress
from workers.dit.prior_tokens import checked_prior
from workers.dit.runner import DenoiseState, DitRunner
from workers.dit.scheduler import Scheduler
from workers.engine.stepper import Outcome

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Decoded:
    """A finished picture (RGB) and its wall seconds: `denoise_s` with all preparation, `decode_s` in the VAE."""

    image: Image.Image
    denoise_s: float
    decode_s: float


@dataclass(slots=True)
class _Render:
    claim: Claim
    state: DenoiseState | None = None
    denoise_s: float = 0.0

    @property
    def progress(self) -> Progress:
        return Progress(self.state.num_done if self.state else 0, self.claim.settings.num_inference_steps)


class DitEngine:
    """Implements `Stepper[Decoded]`. `load_image` fetches a normalised condition image by its object key."""

    def __init__(self, runner: DitRunner, load_image: Callable[[ObjectKey], Image.Image]) -> None:
        self._runner = runner
        self._load_image = load_image
        self._scheduler = Scheduler()
        self._renders: dict[RenderId, _Render] = {}

    def admit(self, claim: Claim) -> None:
        """Queues a render; its first step prepares it. Raises `RenderFailed` when its prior does not fit it.

        A render that is here already was lost and claimed again: only the newer claim can be written.
        """
        checked_prior(claim.prior, claim.settings)
        self.drop(claim.render_id)
        self._renders[claim.render_id] = _Render(claim)
        self._scheduler.add(claim.render_id)

    def step(self) -> Sequence[Outcome[Decoded]]:
        """One denoise step of one render; the last one also decodes the picture."""
        render_id = self._scheduler.next_render()
        if render_id is None:
            return ()
        outcome = self._outcome(self._renders[render_id])
        if outcome is None:
            return ()
        self.drop(render_id)
        return (outcome,)

    def drop(self, render_id: RenderId) -> None:
        if self._renders.pop(render_id, None):
            self._scheduler.remove(render_id)

    def progress(self) -> Mapping[RenderId, Progress]:
        return {render_id: render.progress for render_id, render in self._renders.items()}

    @property
    def is_idle(self) -> bool:
        return not self._renders

    def _outcome(self, render: _Render) -> Outcome[Decoded] | None:
        """How the render leaves the stage in this step; None while it stays."""
        try:
            decoded = self._advance(render)
        except GridpressError as error:
            return Outcome(render.claim, error=_without_frames(error))
        except Exception:
            log.exception("render.crashed", render_id=render.claim.render_id)
            crash = RenderFailed("engine_error", "the render failed unexpectedly; the worker's log has the details")
            return Outcome(render.claim, error=crash)
        return Outcome(render.claim, result=decoded) if decoded else None

    def _advance(self, render: _Render) -> Decoded | None:
        began_s = time.monotonic()
        if render.state is None:
            render.state = self._prepare(render.claim)
        self._runner.denoise_step(render.state)
        denoised_s = time.monotonic()
        render.denoise_s += denoised_s - began_s
        if not render.state.is_done:
            return None
        image = self._runner.decode(render.state)
        return Decoded(image, denoise_s=render.denoise_s, decode_s=time.monotonic() - denoised_s)

    def _prepare(self, claim: Claim) -> DenoiseState:
        try:
            images = [self._load_image(key).convert("RGB") for key in claim.settings.images]
        except OSError as error:  # Pillow's word for a file that is truncated or no picture
            raise RenderFailed("bad_condition_image", f"a condition image cannot be read: {error}") from error
        return self._runner.start(claim, images)


def _without_frames(error: GridpressError) -> GridpressError:
    """The error without traceback and causes: their frames would keep a failed render's tensors on the device."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
