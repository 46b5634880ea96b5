"""Runs one denoise step of a render, and returns the render's outcome if it finished or failed in it. It schedules
nothing.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

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
    """Runs denoise steps. An error in a step becomes the outcome of the render.

    - `on_preview` is called with each preview and must not block.
    - `make_room` is called with a render for which the device was full. It frees all device memory whose contents other
      renders can compute again.
    """

    def __init__(
        self,
        runner: DitRunner,
        busy: BusyShare,
        on_preview: Callable[[Preview], None],
        make_room: Callable[[RenderId], None],
    ) -> None:
        self._runner = runner
        self._busy = busy
        self._on_preview = on_preview
        self._make_room = make_room

    def run(self, render: DitRender) -> Outcome[Decoded] | None:
        """Runs one denoise step of a render. Returns the render's outcome if it leaves the stage in this step, else
        None. The last step also decodes the picture.
        """
        try:
            decoded = self._advance(render)
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

    def _advance(self, render: DitRender) -> Decoded | None:
        """Runs the render's next step, and sends a preview if one is due. After the last step it returns the decoded
        picture. A render whose steps are all done is only decoded.
        """
        state = render.state
        if state is None or not state.is_done:
            with self._computing(render):
                state = self._state(render)
                self._runner.denoise_step(state)
        if not state.is_done:
            self._show(render, state)
            return None
        began_s = time.monotonic()
        with self._busy.device():
            image = self._runner.decode(state)
        return Decoded(image, denoise_s=render.denoise_s, decode_s=time.monotonic() - began_s)

    def _state(self, render: DitRender) -> DenoiseState:
        if render.state is None:
            prepared = render.preparation.result()
            render.state = self._runner.begin(prepared)
            render.denoise_s += prepared.saved.denoise_s if prepared.saved else 0.0
        elif render.claim.settings.is_edit:
            self._runner.restore_conditions(render.state, render.preparation.result())
        return render.state

    @contextmanager
    def _computing(self, render: DitRender) -> Iterator[None]:
        """Adds the duration of the `with` statement's body to the computing time (`denoise_s`) of the render."""
        began_s = time.monotonic()
        with self._busy.device():
            yield
        render.denoise_s += time.monotonic() - began_s

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
