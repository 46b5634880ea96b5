"""Computes classifier-free guidance on two devices; this module is the DiT worker's side.

The worker's denoiser computes the conditional rows. At the same time a helper process computes the unconditional rows
on a second device.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from workers.device.loss import HelperGone
from workers.dit.guidance.link import WORKER, Link, open_store
from workers.dit.guidance.plan import READY, HelperPlan, Pass, to_line
from workers.dit.guidance.process import HelperProcess
from workers.dit.model.denoiser import Branch, Denoiser, Row
from workers.dit.model.loading import DitModel
from workers.dit.model.options import DitOptions
from workers.dit.model.step_cache import StepCache

_HELPER = ("-m", "workers.dit.guidance.helper")


class Helper:
    """The helper process on the second device, as the worker uses it. It takes a row (one guidance branch at one step)
    and returns the row's noise later.

    The helper has no state between forward passes.
    """

    def __init__(
        self,
        checkpoint: str,
        model: DitModel,
        device: torch.device,
        options: DitOptions,
        on_death: Callable[[int], None],
    ) -> None:
        """Starts the helper process on the second device, and returns once it has loaded the model.

        Raises `Misconfigured` if the helper can't load the model.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="gridpress-")
        folder = Path(self._folder.name)
        self._process = HelperProcess(on_death, _HELPER)
        self._process.send_line(to_line(HelperPlan.of(checkpoint, device, model.dtype, options, folder)))
        store = open_store(folder)
        self._process.wait_until(lambda: store.check([READY]))
        self._link = Link(store, WORKER, model.device)

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, row: Row) -> Callable[[], Tensor]:
        """Sends a row (one guidance branch at one step) to the helper process. Returns a function that waits for the
        row's noise and returns it. Both raise `HelperGone`.

        - Memory for the noise is allocated before the row is sent. If the allocation failed after sending, nothing
          would receive this noise, and the worker would take it for the noise of the next row.
        - The receive is started at once, because a helper that can't send its noise would not take the next row.
        """
        noise = torch.empty(row.latents.shape, dtype=torch.float32, device=row.latents.device)
        with _as_helper_gone():
            self._process.send_line(to_line(Pass.of(row.latents, row.time)))
            self._link.send(row.latents)
            self._link.send(row.time)
            wait = self._link.expect(noise)

        def arrived() -> Tensor:
            with _as_helper_gone():
                wait()
            return noise

        return arrived

    def close(self) -> None:
        self._process.close()
        self._link.close()
        self._folder.cleanup()


class TwoDeviceDenoiser(Denoiser):
    """Predicts noise on two devices: sends every unconditional row to the helper process, and computes the conditional
    rows meanwhile. A row is one guidance branch of a render at one step.

    Rows of quality `fast` stay on the worker's device. Most steps of such a render reuse earlier results, which are in
    the memory of that device.
    """

    def __init__(self, model: DitModel, helper: Helper) -> None:
        super().__init__(model)
        self._helper = helper

    def unconditional(self, empty_glyphs: Tensor, step_cache: StepCache | None, *, in_fp8: bool = False) -> Branch:
        branch = super().unconditional(empty_glyphs, step_cache, in_fp8=in_fp8)
        return branch if step_cache else _HelperBranch(branch.glyphs, branch.prior)

    def predict(self, rows: Sequence[Row], max_rows: int) -> list[Tensor]:
        away = {index: self._helper.begin(row) for index, row in enumerate(rows) if _is_for_helper(row)}
        try:
            here = iter(super().predict([row for row in rows if not _is_for_helper(row)], max_rows))
        finally:  # also after a failure: noise that is not received here would be taken for the next step's
            arrived = {index: wait() for index, wait in away.items()}
        return [arrived[index] if index in arrived else next(here) for index in range(len(rows))]


@contextmanager
def _as_helper_gone() -> Iterator[None]:
    """Converts the errors that a dead helper causes in the body of the `with` statement, such as a broken pipe, to
    `HelperGone`.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise HelperGone(f"the second guidance device is gone: {error}") from error


class _HelperBranch(Branch):
    """Stands for the unconditional branch in a row that the helper process computes.

    The unconditional branch is the same for every render. The helper has its own copy, so the branch is never sent.
    """

    __slots__ = ()


def _is_for_helper(row: Row) -> bool:
    return isinstance(row.branch, _HelperBranch)
