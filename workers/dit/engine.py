"""The DiT stage's engine. It schedules renders, denoises them and returns their pictures, but does not store pictures.
An error of one render fails that render alone.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from PIL import Image

from shared.errors import RenderFailed
from shared.ids import ObjectKey, RenderId
from shared.jobs.leases import Claim, Progress
from workers.dit.busy import BusyShare
from workers.dit.handover.saved_state import SavedState
from workers.dit.handover.store import reject_handover
from workers.dit.memory import MemoryBudget
from workers.dit.model.conditions import condition_set
from workers.dit.model.denoise_step import DenoiseStep, DitRender
from workers.dit.model.runner import DitRunner, PreparedRender
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.previews import Preview
from workers.dit.scheduler import Scheduler
from workers.engine.stepper import Outcome, Unfinished

_POLL_S = 0.2  # the longest wait for a preparation, after which the engine thread handles dropped renders


class DitEngine:
    """The DiT stage's engine, a `Stepper[Decoded]`; a `Decoded` is a finished picture. While one render is denoised, a
    side thread prepares the next ones.

    `load_image` fetches a normalised condition image by its object key. `on_preview` receives each preview and must
    return at once. `load_unfinished` returns the saved state of a render that another worker handed over, or None.
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
        """Creates the engine. `floor` is the share of the steps that a class still gets while a more urgent class
        pre-empts it.

        `room_bytes` is the device memory that the weights leave free. None turns the checks of device memory off.
        """
        self.busy = BusyShare()
        self._runner = runner
        self._load_image = load_image
        self._load_unfinished = load_unfinished
        self._scheduler = Scheduler(floor)
        self._denoise = DenoiseStep(runner, self.busy, on_preview, self._make_room)
        self._memory = MemoryBudget(room_bytes)
        self._renders: dict[RenderId, DitRender] = {}
        self._is_planned = False
        self._planned: RenderId | None = None  # None in a plan: the next step only waits
        self._side_thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    def admit(self, claim: Claim) -> None:
        """Adds a claimed render to the engine and starts its preparation on the side thread. Raises `RenderFailed` if
        the render's token grid does not fit the request.

        If the engine still has the render under an older lease, that lease was lost. Then the older claim of the render
        is dropped, because the store accepts only writes of the newer claim.
        """
        self.drop(claim.render_id)
        self._runner.checked_prior(claim)
        self._memory.add(claim.render_id, self._runner.needs(claim))
        self._renders[claim.render_id] = DitRender(claim, self._side_thread.submit(self._prepare, claim))
        self._scheduler.add(claim)
        self.busy.note_state(has_work=True)

    def in_step(self) -> Collection[RenderId]:
        """Plans the next step. Returns the render of that step, and those that the side thread is still preparing."""
        self._planned, self._is_planned = self._plan(), True
        unprepared = {render_id for render_id in self._renders if not self._is_prepared(render_id)}
        return unprepared if self._planned is None else {self._planned, *unprepared}

    def step(self) -> Sequence[Outcome[Decoded]]:
        """Runs one denoise step of the planned render. Returns its outcome if it ends. The last step of a render also
        decodes its picture.

        If no render is prepared, the step only waits until one is, for at most 0.2 s. The wait is short so that the
        engine thread can drop renders.
        """
        render_id = self._planned if self._is_planned else self._plan()
        self._forget_plan()
        if render_id is None:
            self._wait()
            return ()
        outcome = self._denoise.run(self._renders[render_id])
        if outcome:
            self._remove(render_id)
        self._note_state()
        return (outcome,) if outcome else ()

    def drop(self, render_id: RenderId) -> None:
        self._remove(render_id)
        self._note_state()

    def progress(self) -> Mapping[RenderId, Progress]:
        return {render_id: render.progress for render_id, render in self._renders.items()}

    def unfinished(self, render_id: RenderId) -> Unfinished | None:
        """Returns the saved state of a render, from which another worker can continue it.

        Returns None before the render's first step.
        """
        render = self._renders.get(render_id)
        if render is None or render.state is None or not render.state.num_done:
            return None
        saved = SavedState.of(render.state, render.denoise_s)
        return Unfinished(saved.num_done, saved.to_bytes())

    @property
    def is_waiting(self) -> bool:
        return self._is_planned and self._planned is None

    @property
    def is_idle(self) -> bool:
        return not self._renders

    def close(self) -> None:
        """Ends the engine's side thread, and logs for which share of the time the device was busy."""
        self._side_thread.shutdown(cancel_futures=True)
        self.busy.log()

    def _prepare(self, claim: Claim) -> PreparedRender:
        """Loads a claimed render's condition images and prepares its first step. Runs on the side thread."""
        try:
            images = [self._load_image(key).convert("RGB") for key in claim.settings.images]
        except OSError as error:  # Pillow raises it for a truncated file, or one that is no picture
            raise RenderFailed("bad_condition_image", f"a condition image cannot be read: {error}") from error
        return self._runner.prepare(claim, images, self._saved(claim))

    def _saved(self, claim: Claim) -> SavedState | None:
        data = self._load_unfinished(claim)
        try:
            return SavedState.from_bytes(data, claim.settings) if data is not None else None
        except ValueError as error:
            reject_handover(claim, error)
            return None

    def _plan(self) -> RenderId | None:
        """Chooses the render of the next step.

        If that step needs more memory, other renders lose their condition keys: the keys and values of their condition
        images.
        """
        render_id = self._scheduler.next_render(self._is_prepared, self._memory.fits)
        if render_id is not None:
            for key in self._memory.begin(render_id):
                self._give_up(key)
        return render_id

    def _forget_plan(self) -> None:
        self._planned, self._is_planned = None, False

    def _give_up(self, key: Hashable) -> None:
        self._runner.forget_conditions(key)
        for render in self._renders.values():
            if render.state is not None and render.state.conditions and condition_set(render.claim) == key:
                render.state.set_conditions(None)

    def _make_room(self, render_id: RenderId) -> None:
        """Frees all device memory whose contents other renders can compute again."""
        self._memory.set_alone(render_id)
        self._runner.release_unused()

    def _wait(self) -> None:
        wait([render.preparation for render in self._renders.values()], _POLL_S, FIRST_COMPLETED)
        self._note_state()

    def _is_prepared(self, render_id: RenderId) -> bool:
        return self._renders[render_id].preparation.done()

    def _remove(self, render_id: RenderId) -> None:
        if render := self._renders.pop(render_id, None):
            render.preparation.cancel()
            self._scheduler.remove(render_id)
            self._memory.remove(render_id)
            self._forget_plan()

    def _note_state(self) -> None:
        self.busy.note_state(has_work=not self.is_idle)
        if not any(render.claim.settings.is_edit for render in self._renders.values()):
            self._runner.free()
            self._memory.clear_conditions()
