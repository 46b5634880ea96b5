"""The state of one render between denoise steps, and the arithmetic of guidance and scheduler that moves it one step
forward.

It predicts no noise itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor

from shared.geometry import GridSize
from workers.dit.model.denoiser import Branch, Row
from workers.dit.model.solvers import SecondOrderScheduler


@dataclass(slots=True, weakref_slot=True, eq=False)
class DenoiseState:
    """The state of one render between denoise steps. It shares nothing writable with other renders.

    `latents` is (1, channels, height / 8, width / 8), in the model's dtype before the first step and in float32 after
    it. `noise` is the prediction of the last step. `times` has one row for each step. `branches` has the conditional
    branch and, with guidance, the unconditional branch. `guided_steps` are the steps with guidance.
    """

    scheduler: FlowMatchEulerDiscreteScheduler | SecondOrderScheduler
    times: Tensor
    latents: Tensor
    branches: tuple[Branch, ...]
    guidance_scale: float
    guided_steps: range
    size: GridSize
    noise: Tensor | None = None
    num_done: int = 0

    @property
    def num_steps(self) -> int:
        return len(self.scheduler.timesteps)

    @property
    def is_done(self) -> bool:
        return self.num_done == self.num_steps

    @property
    def conditions(self) -> GlmImageKVCache | None:
        """The keys and values of the render's condition images. Only the conditional branch reads them."""
        return self.branches[0].conditions

    def set_conditions(self, conditions: GlmImageKVCache | None) -> None:
        """Sets the keys and values of the render's condition images, or removes them with None. Without them an edit
        can't take a step.
        """
        conditional, *unconditional = self.branches
        self.branches = (replace(conditional, conditions=conditions), *unconditional)

    def rows(self) -> list[Row]:
        """Returns the rows whose noise the next step needs: the conditional row and, in a step with guidance, the
        unconditional row.
        """
        time = self.times[self.num_done : self.num_done + 1]
        branches = self.branches if self.num_done in self.guided_steps else self.branches[:1]
        return [Row(self.latents, time, branch) for branch in branches]

    def advance(self, noises: Sequence[Tensor]) -> None:
        """Moves the latents forward by one step. `noises` has the noise of each of `rows()`."""
        self.noise = noises[0]
        if len(noises) == 2:
            conditional, unconditional = noises
            self.noise = unconditional + self.guidance_scale * (conditional - unconditional)
        timestep = self.scheduler.timesteps[self.num_done]
        self.latents = self.scheduler.step(self.noise, timestep, self.latents, return_dict=False)[0]
        self.num_done += 1

    def clean_latents(self) -> Tensor:
        """Returns the latents of the final picture, as the last step predicts them.

        With flow matching the model predicts v = noise - picture. So the picture is x - sigma * v, where x are the
        current latents and sigma is their noise level.
        """
        assert self.noise is not None
        return self.latents - self.scheduler.sigmas[self.num_done] * self.noise
