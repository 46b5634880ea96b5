"""The DiT stage's engine: schedule, run, record. Renders fail alone; nothing here stores a picture."""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from PIL import Image

from shared.errors import RenderFailed
from shared.ids import ObjectKey, RenderId
from shared.jobs.leases import Claim, Progress
from workers.dit.busy import BusyShare
from workers.dit.handover.saved_state import SavedState
from workers.dit.handover.store import refuse
from workers.dit.memory import MemoryBook
from workers.dit.model.conditions import condition_set
from workers.dit.model.denoise_step import DenoiseStep, DitRender
from workers.dit.model.runner import DitRunner, PreparedRender
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.previews import Preview
from workers.dit.scheduler import Scheduler
from workers.engine.stepper import Outcome, Unfinished

_POLL_S = 0.2  # how often an engine that waits for a preparation lets its thread look around


class DitEngine:
    """Implements `Stepper[Decoded]`. While one render is denoised, a side thread prepares those to come.

    `load_image` fetches a normalised condition image by its object key; `on_preview` must only pass a preview on;
    `load_unfinished` returns what `unfinished` has made of a render on another worker, if that is to be had.
    """

    def __init__(
        self,
        runner: DitRunner,
        load_image: Callable[[ObjectKey], Image.Image],
        on_preview: Callable[[Preview], None],
        load_unfinished: Callable[[Claim], bytes | None] = lambda _: None,
        floor: float = 0.1,
        *,
        room_bytes: int | None = None,
    ) -> None:
        """`floor`: the share of the steps that a pre-empted class keeps. `room_bytes`: what the weights leave of the
        device's memory; None counts none.
        """
        self.busy = BusyShare()
        self._runner = runner
        self._load_image = load_image
        self._load_unfinished = load_unfinished
        self._scheduler = Scheduler(runner.max_batch, floor)
        self._denoise = DenoiseStep(runner, self.busy, on_preview, self._scheduler.separate, self._try_alone)
        self._memory = MemoryBook(room_bytes)
        self._renders: dict[RenderId, DitRender] = {}
        self._planned: Sequence[RenderId] | None = None  # nothing is planned yet; empty: the next step only waits
        self._side_thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    def admit(self, claim: Claim) -> None:
        """Has the render prepared. Raises `RenderFailed` when its prior does not fit it.

        A render that is here already was lost and claimed again: only the newer claim can be written.
        """
        self.drop(claim.render_id)
        self._runner.checked_prior(claim)
        self._memory.add(claim.render_id, self._runner.needs(claim))
        self._renders[claim.render_id] = DitRender(claim, self._side_thread.submit(self._prepare, claim))
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
        outcomes = self._denoise.run([self._renders[render_id] for render_id in batch])
        for outcome in outcomes:
            self._forget(outcome.claim.render_id)
        self._tell()
        return outcomes

    def drop(self, render_id: RenderId) -> None:
        self._forget(render_id)
        self._tell()

    def progress(self) -> Mapping[RenderId, Progress]:
        return {render_id: render.progress for render_id, render in self._renders.items()}

    def unfinished(self, render_id: RenderId) -> Unfinished | None:
        """Returns what a render has come to, for another worker; None before its first step is done."""
        render = self._renders.get(render_id)
        if render is None or render.state is None or not render.state.num_done:
            return None
        saved = SavedState.of(render.state, render.denoise_s)
        return Unfinished(saved.num_done, saved.to_bytes())

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
        return self._runner.prepare(claim, images, self._saved(claim))

    def _saved(self, claim: Claim) -> SavedState | None:
        data = self._load_unfinished(claim)
        try:
            return SavedState.from_bytes(data, claim.settings) if data is not None else None
        except ValueError as error:
            refuse(claim, error)
            return None

    def _plan(self) -> Sequence[RenderId]:
        """Chooses the next step, and takes condition keys from other renders where it needs their memory."""
        batch = self._scheduler.next_batch(self._is_prepared, self._memory.fits)
        for key in self._memory.begin(batch):
            self._give_up(key)
        return batch

    def _give_up(self, key: Hashable) -> None:
        self._runner.forget_conditions(key)
        for render in self._renders.values():
            if render.state is not None and render.state.conditions and condition_set(render.claim) == key:
                render.state.set_conditions(None)

    def _try_alone(self, render_id: RenderId) -> None:
        self._scheduler.separate(render_id)
        self._memory.set_alone(render_id)
        self._runner.release_unused()

    def _wait(self) -> None:
        wait([render.preparation for render in self._renders.values()], _POLL_S, FIRST_COMPLETED)
        self._tell()

    def _is_prepared(self, render_id: RenderId) -> bool:
        return self._renders[render_id].preparation.done()

    def _forget(self, render_id: RenderId) -> None:
        if render := self._renders.pop(render_id, None):
            render.preparation.cancel()
            self._scheduler.remove(render_id)
            self._memory.remove(render_id)
            self._planned = None

    def _tell(self) -> None:
        self.busy.tell(has_work=not self.is_idle)
        if not any(render.claim.settings.is_edit for render in self._renders.values()):
            self._runner.free()
            self._memory.clear_conditions()
