"""Runs one denoise step of one or several renders, and returns the outcomes of those that finished or failed in it. It
schedules nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from shared.errors import GridpressError, RenderFailed
from shared.ids import RenderId
from shared.jobs.leases import Claim, Progress
from workers.device.loss import is_device_lost
from workers.dit.busy import BusyShare
from workers.dit.model.denoise_state import DenoiseState
from workers.dit.model.runner import DitRunner, PreparedRender
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.previews import Preview, preview_steps
from workers.engine.stepper import Outcome, crashed

log = structlog.get_logger()


@dataclass(slots=True)
class DitRender:
    """A render in the DiT stage.

    Its `state` is None before its first step, and after a failure that makes the render start its stage again.
    """

    claim: Claim
    preparation: Future[PreparedRender]
    state: DenoiseState | None = None
    denoise_s: float = 0.0
    has_run_out: bool = False  # True after the device ran out of memory in a step of this render

    @property
    def progress(self) -> Progress:
        handover = self.claim.handover
        num_done = self.state.num_done if self.state else handover.num_done if handover else 0
        return Progress(num_done, self.claim.settings.num_denoise_steps)


class DenoiseStep:
    """Runs denoise steps. An error of one render becomes the outcome of that render, and the other renders continue.

    - `on_preview` is called with each preview and must not block.
    - `separate` is called with a render that must take its later steps alone.
    - `make_room` is called after the device was full. It does what `separate` does, and also frees all device memory
      whose contents other renders can compute again.
    """

    def __init__(
        self,
        runner: DitRunner,
        busy: BusyShare,
        on_preview: Callable[[Preview], None],
        separate: Callable[[RenderId], None],
        make_room: Callable[[RenderId], None],
    ) -> None:
        self._runner = runner
        self._busy = busy
        self._on_preview = on_preview
        self._separate = separate
        self._make_room = make_room

    def run(self, renders: Sequence[DitRender]) -> Sequence[Outcome[Decoded]]:
        """Runs one denoise step and returns the outcomes of the renders that leave the stage in this step. A render's
        last step also decodes the picture.

        If one of several renders can't begin, that render leaves the stage at once, and the other renders wait for the
        next step.
        """
        if len(renders) == 1:
            outcomes = [self._outcome(renders[0], self._advance_alone)]
        elif not any(outcomes := [self._outcome(render, self._begin) for render in renders]):
            ends = zip(renders, self._denoise_together(renders), strict=True)
            outcomes = [self._outcome(render, partial(self._end, failure=failure)) for render, failure in ends]
        return [outcome for outcome in outcomes if outcome]

    def _outcome(self, render: DitRender, advance: Callable[[DitRender], Decoded | None]) -> Outcome[Decoded] | None:
        """Calls `advance` with the render. Returns the render's outcome if the render leaves the stage in this step,
        else None.
        """
        try:
            decoded = advance(render)
        except GridpressError as error:
            if self._tries_again(render, error):
                return None
            return Outcome(render.claim, error=_without_frames(error))
        except Exception as error:
            if is_device_lost(error, self._runner.device):
                raise
            log.exception("render.crashed", **render.claim.log_ids)
            return crashed(render.claim)
        return Outcome(render.claim, result=decoded) if decoded else None

    def _tries_again(self, render: DitRender, error: GridpressError) -> bool:
        """Returns whether a failed render is tried again. If the device was full, the render is tried once more, alone,
        because other renders may have filled the device.

        A render that is tried again starts its stage from the beginning, unless only the decode of its picture is left.
        """
        if render.has_run_out or not isinstance(error, RenderFailed) or error.reason != "out_of_memory":
            return False
        log.warning("render.out_of_memory", **render.claim.log_ids, error=str(error))
        render.has_run_out = True
        if render.state is not None and not render.state.is_done:
            render.state, render.denoise_s = None, 0.0
        self._make_room(render.claim.render_id)
        return True

    def _advance_alone(self, render: DitRender) -> Decoded | None:
        if render.state is not None and render.state.is_done:
            return self._end(render, None)
        (failure,) = self._denoise([render])
        return self._end(render, failure)

    def _begin(self, render: DitRender) -> None:
        with self._computing([render]):
            self._state(render)

    def _denoise_together(self, renders: Sequence[DitRender]) -> Sequence[RenderFailed | None]:
        """Runs one denoise step of several renders. Returns a list with the failure of each render, or None for a
        render without a failure.

        If the step as a whole fails, the cause can't be traced to one render. Then each render starts its stage again,
        alone.
        """
        try:
            return self._denoise(renders)
        except Exception as error:
            if is_device_lost(error, self._runner.device):
                raise
            log.warning("batch.taken_apart", num_renders=len(renders), error=str(error))
        for render in renders:
            render.state, render.denoise_s = None, 0.0
            self._separate(render.claim.render_id)
        return [None] * len(renders)

    def _denoise(self, renders: Sequence[DitRender]) -> Sequence[RenderFailed | None]:
        """Runs one denoise step of these renders. Returns a list with the failure of each render, or None for a render
        without a failure.
        """
        with self._computing(renders):
            return self._runner.denoise_steps([self._state(render) for render in renders])

    def _state(self, render: DitRender) -> DenoiseState:
        if render.state is None:
            prepared = render.preparation.result()
            render.state = self._runner.begin(prepared)
            render.denoise_s += prepared.saved.denoise_s if prepared.saved else 0.0
        elif render.claim.settings.is_edit:
            self._runner.restore_conditions(render.state, render.preparation.result())
        return render.state

    @contextmanager
    def _computing(self, renders: Sequence[DitRender]) -> Iterator[None]:
        """Adds the duration of the `with` statement's body to the computing time (`denoise_s`) of all these renders,
        because each of them waits for the whole computation.
        """
        began_s = time.monotonic()
        with self._busy.device():
            yield
        for render in renders:
            render.denoise_s += time.monotonic() - began_s

    def _end(self, render: DitRender, failure: RenderFailed | None) -> Decoded | None:
        """Ends the step for one render: raises the render's failure if it has one, or sends the preview if one is due.
        After the render's last step it returns the decoded picture.
        """
        if failure:
            raise failure
        if render.state is None:
            return None
        if not render.state.is_done:
            self._show(render, render.state)
            return None
        began_s = time.monotonic()
        with self._busy.device():
            image = self._runner.decode(render.state)
        return Decoded(image, denoise_s=render.denoise_s, decode_s=time.monotonic() - began_s)

    def _show(self, render: DitRender, state: DenoiseState) -> None:
        """Sends the render's preview if one is due after this step. If the preview fails, the render continues."""
        due = preview_steps(state.num_steps, render.claim.partial_images)
        if state.num_done not in due:
            return
        try:
            with self._busy.device():
                image = self._runner.preview(state)
            self._on_preview(Preview(render.claim, due.index(state.num_done) + 1, len(due), image))
        except Exception as error:
            if is_device_lost(error, self._runner.device):
                raise
            log.warning("preview.failed", **render.claim.log_ids, error=str(error))


def _without_frames(error: GridpressError) -> GridpressError:
    """Returns the error without its traceback and causes.

    The stack frames in them would keep a failed render's tensors on the device.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
