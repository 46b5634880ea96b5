"""Computes the two branches of guidance on two devices. Each device has a copy of the transformer, in this process."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from workers.device.loss import HelperGone, is_device_lost
from workers.dit.model.denoiser import Branch, Denoiser, Row
from workers.dit.model.loading import DitModel
from workers.dit.model.step_cache import StepCache


class TwoDeviceDenoiser(Denoiser):
    """Predicts noise on two devices: the unconditional rows on the second device, all others on the first one. A row is
    one guidance branch of a render at one step.

    A GPU computes what was queued for it while this thread queues work for the other GPU. Rows of quality `fast` stay
    on the first device, with the results of earlier steps that they reuse.
    """

    def __init__(self, model: DitModel, second: DitModel) -> None:
        """Creates the denoiser. `second` is a copy of the model on the second device."""
        super().__init__(model)
        self._second_device = second.device
        self._second = Denoiser(second)

    def unconditional(self, empty_glyphs: Tensor, step_cache: StepCache | None, *, in_fp8: bool = False) -> Branch:
        if step_cache:
            return super().unconditional(empty_glyphs, step_cache, in_fp8=in_fp8)
        branch = self._second.unconditional(empty_glyphs.to(self._second_device), None, in_fp8=in_fp8)
        return _AwayBranch(branch.glyphs, branch.prior, in_fp8=in_fp8)

    def predict(self, rows: Sequence[Row], max_rows: int) -> list[Tensor]:
        """Returns the noise of every row, on the first device. Raises `HelperGone` if the second device is lost."""
        away = iter(self._predict_away([row for row in rows if _is_away(row)], max_rows))
        here = iter(super().predict([row for row in rows if not _is_away(row)], max_rows))
        return [next(away).to(row.latents.device) if _is_away(row) else next(here) for row in rows]

    def _predict_away(self, rows: Sequence[Row], max_rows: int) -> Sequence[Tensor]:
        device = self._second_device
        try:
            moved = [replace(row, latents=row.latents.to(device), time=row.time.to(device)) for row in rows]
            return self._second.predict(moved, max_rows)
        except Exception as error:
            if is_device_lost(error, device):
                raise HelperGone(f"the second guidance device {device} is lost: {error}") from error
            raise


class _AwayBranch(Branch):
    """The unconditional branch of a render on the second device."""

    __slots__ = ()


def _is_away(row: Row) -> bool:
    return isinstance(row.branch, _AwayBranch)
