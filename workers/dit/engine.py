"""The DiT stage's engine: schedule, run, record. Renders fail alone; nothing here stores a picture."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial

import structlog
from PIL import Image

from shared.errors import GridpressError, RenderFailed
from shared.ids import ObjectKey, RenderId
from shared.jobs import Claim, Progress
from workers.device_loss import is_device_lost
from workers.dit.busy import BusyShare
from workers.dit.decoded import Decoded
from workers.dit.previews import Preview, preview_steps
from workers.dit.prior_tokens import checked_prior
from workers.dit.runner import DenoiseState, DitRunner, PreparedRender
from workers.dit.scheduler import Scheduler
from workers.engine.stepper import Outcome

log = structlog.get_logger()

_POLL_S = 0.2  # how often an engine that waits for a preparation lets its thread look around


@dataclass(slots=True)
class _Render:
    claim: Claim
    preparation: Future[PreparedRender]
    state: DenoiseState | None = None
    denoise_s: float = 0.0

    @property
    def progress(self) -> Progress:
        return Progress(self.state.num_done if self.state else 0, self.claim.settings.num_inference_steps)


class DitEngine:
    """Implements `Stepper[Decoded]`. While one render is denoised, a side thread prepares those to come.

    `load_image` fetches a normalised condition image by its object key; `on_preview` must only pass a preview on.
    """

    def __init__(
        self,
        runner: DitRunner,
        load_image: Callable[[ObjectKey], Image.Image],
        on_preview: Callable[[Preview], None],
    ) -> None:
        self.busy = BusyShare()
        self._runner = runner
        self._load_image = load_image
        self._on_preview = on_preview
        self._scheduler = Scheduler(runner.max_batch)
        self._renders: dict[RenderId, _Render] = {}
        self._planned: Sequence[RenderId] | None = None  # nothing is planned yet; empty: the next step only waits
        self._side_thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    def admit(self, claim: Claim) -> None:
        """Has the render prepared. Raises `RenderFailed` when its prior does not fit it.

        A render that is here already was lost and claimed again: only the newer claim can be written.
        """
        checked_prior(claim.prior, claim.settings)
        self.drop(claim.render_id)
        self._renders[claim.render_id] = _Render(claim, self._side_thread.submit(self._prepare, claim))
        self._scheduler.add(claim)
        self.busy.tell(has_work=True)

    def in_step(self) -> Collection[RenderId]:
        """Those that share the next denoise step, and whom the side thread prepares meanwhile."""
        self._planned = self._plan()
        return {*self._planned, *(render_id for render_id in self._renders if not self._is_prepared(render_id))}

    def step(self) -> Sequence[Outcome[Decoded]]:
        """One denoise step of the renders that share it; a render's last one also decodes its picture.

        While none is prepared it only waits for the first, and not for long: somebody may have to be dropped.
        """
        batch = self._plan() if self._planned is None else self._planned
        self._planned = None
        if not batch:
            self._wait()
            return ()
        outcomes = self._advance([self._renders[render_id] for render_id in batch])
        for outcome in outcomes:
            self._forget(outcome.claim.render_id)
        self._tell()
        return outcomes

    def drop(self, render_id: RenderId) -> None:
        self._forget(render_id)
        self._tell()

    def progress(self) -> Mapping[RenderId, Progress]:
        return {render_id: render.progress for render_id, render in self._renders.items()}

    @property
    def is_waiting(self) -> bool:
        return self._planned is not None and not self._planned

    @property
    def is_idle(self) -> bool:
        return not self._renders

    def close(self) -> None:
        """Ends the side thread; says how busy the device was."""
        self._side_thread.shutdown(cancel_futures=True)
        self.busy.log()

    def _prepare(self, claim: Claim) -> PreparedRender:
        """On the side thread."""
        try:
            images = [self._load_image(key).convert("RGB") for key in claim.settings.images]
        except OSError as error:  # Pillow's word for a file that is truncated or no picture
            raise RenderFailed("bad_condition_image", f"a condition image cannot be read: {error}") from error
        return self._runner.prepare(claim, images)

    def _plan(self) -> Sequence[RenderId]:
        return self._scheduler.next_batch(self._is_prepared)

    def _wait(self) -> None:
        wait([render.preparation for render in self._renders.values()], _POLL_S, FIRST_COMPLETED)
        self._tell()

    def _is_prepared(self, render_id: RenderId) -> bool:
        return self._renders[render_id].preparation.done()

    def _forget(self, render_id: RenderId) -> None:
        if render := self._renders.pop(render_id, None):
            render.preparation.cancel()
            self._scheduler.remove(render_id)
            self._planned = None

    def _tell(self) -> None:
        self.busy.tell(has_work=not self.is_idle)
        if not any(render.claim.settings.is_edit for render in self._renders.values()):
            self._runner.free()

    def _advance(self, renders: Sequence[_Render]) -> Sequence[Outcome[Decoded]]:
        """Outcomes of those that leave the stage in this step.

        One of several that cannot even begin leaves at once, and costs the others no more than this step.
        """
        if len(renders) == 1:
            outcomes = [self._outcome(renders[0], self._advance_alone)]
        elif not any(outcomes := [self._outcome(render, self._begin) for render in renders]):
            ends = zip(renders, self._denoise_together(renders), strict=True)
            outcomes = [self._outcome(render, partial(self._end_step, failure=failure)) for render, failure in ends]
        return [outcome for outcome in outcomes if outcome]

    def _outcome(self, render: _Render, advance: Callable[[_Render], Decoded | None]) -> Outcome[Decoded] | None:
        """How the render leaves the stage in this step; None while it stays."""
        try:
            decoded = advance(render)
        except GridpressError as error:
            return Outcome(render.claim, error=_without_frames(error))
        except Exception as error:
            if is_device_lost(error):
                raise
            log.exception("render.crashed", render_id=render.claim.render_id)
            crash = RenderFailed("engine_error", "the render failed unexpectedly; the worker's log has the details")
            return Outcome(render.claim, error=crash)
        return Outcome(render.claim, result=decoded) if decoded else None

    def _begin(self, render: _Render) -> None:
        with self.busy.device():
            self._state(render)

    def _advance_alone(self, render: _Render) -> Decoded | None:
        (failure,) = self._denoise([render])
        return self._end_step(render, failure)

    def _denoise_together(self, renders: Sequence[_Render]) -> Sequence[RenderFailed | None]:
        """When the step as a whole fails, nobody can say because of whom: each starts over, alone."""
        try:
            return self._denoise(renders)
        except Exception as error:
            if is_device_lost(error):
                raise
            log.warning("batch.taken_apart", num_renders=len(renders), error=str(error))
        for render in renders:
            render.state, render.denoise_s = None, 0.0
            self._scheduler.separate(render.claim.render_id)
        return [None] * len(renders)

    def _denoise(self, renders: Sequence[_Render]) -> Sequence[RenderFailed | None]:
        """What failed a render alone, in its place."""
        began_s = time.monotonic()
        with self.busy.device():
            failures = self._runner.denoise_steps([self._state(render) for render in renders])
        for render in renders:
            render.denoise_s += time.monotonic() - began_s
        return failures

    def _state(self, render: _Render) -> DenoiseState:
        if render.state is None:
            render.state = self._runner.begin(render.preparation.result())
        return render.state

    def _end_step(self, render: _Render, failure: RenderFailed | None) -> Decoded | None:
        if failure:
            raise failure
        if render.state is None:
            return None
        if not render.state.is_done:
            self._show(render, render.state)
            return None
        began_s = time.monotonic()
        with self.busy.device():
            image = self._runner.decode(render.state)
        return Decoded(image, denoise_s=render.denoise_s, decode_s=time.monotonic() - began_s)

    def _show(self, render: _Render, state: DenoiseState) -> None:
        """Takes the preview that is due after this step. One that fails costs its render nothing."""
        due = preview_steps(state.num_steps, render.claim.partial_images)
        if state.num_done not in due:
            return
        try:
            with self.busy.device():
                image = self._runner.preview(state)
            self._on_preview(Preview(render.claim, due.index(state.num_done) + 1, len(due), image))
        except Exception as error:
            if is_device_lost(error):
                raise
            log.warning("preview.failed", render_id=render.claim.render_id, error=str(error))


def _without_frames(error: GridpressError) -> GridpressError:
    """The error without traceback and causes: their frames would keep a failed render's tensors on the device."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
