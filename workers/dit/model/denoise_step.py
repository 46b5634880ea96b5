"""Runs one denoise step of a batch, and says which renders finished or failed in it. Schedules nothing."""

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
    """A render in the stage. Without a `state` it has not begun, or begins anew."""

    claim: Claim
    preparation: Future[PreparedRender]
    state: DenoiseState | None = None
    denoise_s: float = 0.0
    has_run_out: bool = False  # of memory, once

    @property
    def progress(self) -> Progress:
        handover = self.claim.handover
        num_done = self.state.num_done if self.state else handover.num_done if handover else 0
        return Progress(num_done, self.claim.settings.num_inference_steps)


class DenoiseStep:
    """Takes renders a step further. An error of one render is the outcome of that render; the others go on.

    `on_preview` must not block. `separate` makes a render take its further steps alone; `make_room` also leaves it the
    memory of all that others can compute again.
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
        """Returns the outcomes of renders that leave the stage in this step. A render's last step decodes its picture.

        If one of several renders cannot begin, it leaves at once, and the others wait for the next step.
        """
        if len(renders) == 1:
            outcomes = [self._outcome(renders[0], self._advance_alone)]
        elif not any(outcomes := [self._outcome(render, self._begin) for render in renders]):
            ends = zip(renders, self._denoise_together(renders), strict=True)
            outcomes = [self._outcome(render, partial(self._end, failure=failure)) for render, failure in ends]
        return [outcome for outcome in outcomes if outcome]

    def _outcome(self, render: DitRender, advance: Callable[[DitRender], Decoded | None]) -> Outcome[Decoded] | None:
        """Advances the render. Returns its outcome if it leaves the stage in this step, else None."""
        try:
            decoded = advance(render)
        except GridpressError as error:
            if self._tries_again(render, error):
                return None
            return Outcome(render.claim, error=_without_frames(error))
        except Exception as error:
            if is_device_lost(error):
                raise
            log.exception("render.crashed", **render.claim.log_ids)
            return crashed(render.claim)
        return Outcome(render.claim, result=decoded) if decoded else None

    def _tries_again(self, render: DitRender, error: GridpressError) -> bool:
        """A render that found the device full is tried once more, alone: what was beside it may be to blame.

        It starts its stage again, unless only the decode of its picture is left.
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
        """When the step as a whole fails, nobody can say because of whom: each starts over, alone."""
        try:
            return self._denoise(renders)
        except Exception as error:
            if is_device_lost(error):
                raise
            log.warning("batch.taken_apart", num_renders=len(renders), error=str(error))
        for render in renders:
            render.state, render.denoise_s = None, 0.0
            self._separate(render.claim.render_id)
        return [None] * len(renders)

    def _denoise(self, renders: Sequence[DitRender]) -> Sequence[RenderFailed | None]:
        """What failed a render alone, in its place."""
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
        """Around what the device does for all of them: each waits for the whole of it."""
        began_s = time.monotonic()
        with self._busy.device():
            yield
        for render in renders:
            render.denoise_s += time.monotonic() - began_s

    def _end(self, render: DitRender, failure: RenderFailed | None) -> Decoded | None:
        """The picture, after the last step."""
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
        """Takes the preview that is due after this step. One that fails costs its render nothing."""
        due = preview_steps(state.num_steps, render.claim.partial_images)
        if state.num_done not in due:
            return
        try:
            with self._busy.device():
                image = self._runner.preview(state)
            self._on_preview(Preview(render.claim, due.index(state.num_done) + 1, len(due), image))
        except Exception as error:
            if is_device_lost(error):
                raise
            log.warning("preview.failed", **render.claim.log_ids, error=str(error))


def _without_frames(error: GridpressError) -> GridpressError:
    """The error without traceback and causes: their frames would keep a failed render's tensors on the device."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
