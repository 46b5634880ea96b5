"""Converts the state of a render between two denoise steps to bytes and back. The state consists of the latents, the
number of steps done, and the noise that the qualities `fast` and `few_steps` reuse. This module stores nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from shared.jobs.spec import Quality, RenderSettings
from workers.dit.model.denoise_state import DenoiseState
from workers.dit.model.solvers import SecondOrderScheduler
from workers.dit.model.step_cache import StepCache

_PX_A_LATENT = 8
_PREVIOUS = "previous"  # the name of a tensor in the saved bytes


@dataclass(frozen=True, slots=True, eq=False)
class SavedState:
    """The saved state of a render. All tensors are on the host in float32 and have the shape of the latents: 1 MiB each
    at 1024x1024.

    `computed` has the noise of the last one or two computed steps, for each guidance branch of a render of quality
    `fast`. `previous` is the noise of the last step of a render of quality `few_steps`, after guidance. Everything else
    that a denoise step reads is computed again from the request.
    """

    num_done: int
    denoise_s: float
    latents: Tensor
    computed: Sequence[Sequence[Tensor]] = ()
    previous: Tensor | None = None

    @classmethod
    def of(cls, state: DenoiseState, denoise_s: float) -> Self:
        """Returns the saved state of a render that has done at least one step.

        `denoise_s` is the number of seconds that the render's steps have taken so far.
        """
        assert state.num_done
        computed = [[noise.cpu() for noise in cache.computed] for cache in _caches(state)]
        return cls(state.num_done, denoise_s, state.latents.cpu(), computed, _previous(state))

    @classmethod
    def from_bytes(cls, data: bytes, settings: RenderSettings) -> Self:
        """Converts bytes to the saved state of a render. Raises `ValueError` if the bytes are damaged or do not fit the
        render's settings.
        """
        try:
            tensors = load(data)
            saved = cls(
                num_done=int(tensors.pop("num_done")),
                denoise_s=float(tensors.pop("denoise_s")),
                latents=tensors.pop("latents"),
                previous=tensors.pop(_PREVIOUS, None),
                computed=[list(branch) for branch in _branches(tensors)],
            )
        except (SafetensorError, KeyError, RuntimeError) as error:
            raise ValueError(f"it can't be read: {error}") from error
        saved._check(settings)
        return saved

    def to_bytes(self) -> bytes:
        """Returns this state in the safetensors format. Unlike a pickle, reading that format runs no code."""
        named = {f"{branch}.{k}": noise for branch, pair in enumerate(self.computed) for k, noise in enumerate(pair)}
        if self.previous is not None:
            named[_PREVIOUS] = self.previous
        counts = {
            "num_done": torch.tensor(self.num_done),
            "denoise_s": torch.tensor(self.denoise_s, dtype=torch.float64),
        }
        return save(
            {name: each.contiguous().clone() for name, each in {**named, **counts, "latents": self.latents}.items()}
        )

    def restore(self, state: DenoiseState) -> None:
        """Writes this saved state into `state`, the state of a render that has done no step on this worker."""
        state.latents = self.latents.to(state.latents.device)
        state.num_done = self.num_done
        state.scheduler.set_begin_index(self.num_done)  # otherwise the scheduler searches the step by its time
        if self.previous is not None:
            assert isinstance(state.scheduler, SecondOrderScheduler)
            state.scheduler.previous = self.previous.to(state.latents.device)
        for cache, computed in zip(_caches(state), self.computed, strict=True):
            cache.replay(self.num_done, [noise.to(state.latents.device) for noise in computed])

    def _check(self, settings: RenderSettings) -> None:
        sides = (settings.height_px // _PX_A_LATENT, settings.width_px // _PX_A_LATENT)
        each = [self.latents, *(noise for pair in self.computed for noise in pair)]
        each += [] if self.previous is None else [self.previous]
        if any(tuple(tensor.shape[-2:]) != sides or tensor.dtype != torch.float32 for tensor in each):
            raise ValueError("its latents have another size or type")
        if not 0 < self.num_done < settings.num_denoise_steps:
            raise ValueError(f"it has done {self.num_done} of {settings.num_denoise_steps} steps")
        if (self.previous is None) == (settings.quality is Quality.FEW_STEPS):
            raise ValueError("its solver is another")


def _previous(state: DenoiseState) -> Tensor | None:
    """Returns the noise of the last step, if the render's solver needs it for the next one."""
    solver = state.scheduler
    return solver.previous.cpu() if isinstance(solver, SecondOrderScheduler) and solver.previous is not None else None


def _caches(state: DenoiseState) -> Sequence[StepCache]:
    return [branch.step_cache for branch in state.branches if branch.step_cache is not None]


def _branches(tensors: dict[str, Tensor]) -> Iterator[Iterator[Tensor]]:
    """Groups the tensors of noise by guidance branch, in order. Their names are `0.0`, `0.1`, `1.0` and so on. The
    first number in a name is the branch.
    """
    for branch in sorted({name.partition(".")[0] for name in tensors}):
        yield (tensors[name] for name in sorted(tensors) if name.startswith(f"{branch}."))
