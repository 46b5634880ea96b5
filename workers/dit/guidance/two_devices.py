"""A denoiser whose unconditional passes run on another device at the same time. The worker's side."""

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
    """The other device: takes a row, gives its noise back later. It remembers nothing from pass to pass."""

    def __init__(
        self,
        checkpoint: str,
        model: DitModel,
        device: torch.device,
        options: DitOptions,
        on_death: Callable[[int], None],
    ) -> None:
        """Returns once the helper has loaded. Raises `Misconfigured` when it cannot."""
        self._folder = tempfile.TemporaryDirectory(prefix="gridpress-")
        folder = Path(self._folder.name)
        self._process = HelperProcess(on_death, _HELPER)
        self._process.tell(to_line(HelperPlan.of(checkpoint, device, model.dtype, options, folder)))
        store = open_store(folder)
        self._process.wait_until(lambda: store.check([READY]))
        self._link = Link(store, WORKER, model.device)

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, row: Row) -> Callable[[], Tensor]:
        """Hands a row over; what is returned waits for its noise. Both raise `HelperGone`.

        Memory for the noise is taken first: noise that finds none would be the next row's. It is expected at once: a
        helper that cannot get rid of it would not take the next row.
        """
        noise = torch.empty(row.latents.shape, dtype=torch.float32, device=row.latents.device)
        with _gone_by_name():
            self._process.tell(to_line(Pass.of(row.latents, row.time)))
            self._link.send(row.latents)
            self._link.send(row.time)
            wait = self._link.expect(noise)

        def arrived() -> Tensor:
            with _gone_by_name():
                wait()
            return noise

        return arrived

    def close(self) -> None:
        self._process.close()
        self._link.close()
        self._folder.cleanup()


class TwoDeviceDenoiser(Denoiser):
    """Sends every unconditional row to the helper and computes the others meanwhile.

    Rows of quality `fast` stay on this device: most of their steps reuse earlier results, which lie in its memory.
    """

    def __init__(self, model: DitModel, helper: Helper) -> None:
        super().__init__(model)
        self._helper = helper

    def unconditional(self, empty_glyphs: Tensor, step_cache: StepCache | None) -> Branch:
        branch = super().unconditional(empty_glyphs, step_cache)
        return branch if step_cache else _Elsewhere(branch.glyphs, branch.prior)

    def predict(self, rows: Sequence[Row], max_rows: int) -> list[Tensor]:
        away = {index: self._helper.begin(row) for index, row in enumerate(rows) if _is_elsewhere(row)}
        try:
            here = iter(super().predict([row for row in rows if not _is_elsewhere(row)], max_rows))
        finally:  # also after a failure: noise that nobody takes would be the next step's
            arrived = {index: wait() for index, wait in away.items()}
        return [arrived[index] if index in arrived else next(here) for index in range(len(rows))]


@contextmanager
def _gone_by_name() -> Iterator[None]:
    """A peer that is gone is a broken pipe or a broken connection, whichever is used first."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise HelperGone(f"the second guidance device is gone: {error}") from error


class _Elsewhere(Branch):
    """The unconditional branch, which is the same for every render: the helper has its own."""

    __slots__ = ()


def _is_elsewhere(row: Row) -> bool:
    return isinstance(row.branch, _Elsewhere)
