"""One render between denoise steps: guidance and the scheduler's arithmetic. Predicts nothing itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor

from shared.geometry import GridSize
from workers.dit.model.denoiser import Branch, Row


@dataclass(slots=True, weakref_slot=True, eq=False)
class DenoiseState:
    """One render between denoise steps; it shares nothing that is written with any other.

    `latents` is (1, channels, height / 8, width / 8), in the model's dtype before the first step and float32 after it;
    `noise` is what the last step predicted. `times` has a row per step. `branches` are the conditional one and, with
    guidance, the unconditional.
    """

    scheduler: FlowMatchEulerDiscreteScheduler
    times: Tensor
    latents: Tensor
    branches: tuple[Branch, ...]
    guidance_scale: float
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
        """Keys and values of the condition images, which only the conditional branch reads."""
        return self.branches[0].conditions

    def set_conditions(self, conditions: GlmImageKVCache | None) -> None:
        """Gives the render its condition keys back, or takes them: it can't take a step without them."""
        conditional, *unconditional = self.branches
        self.branches = (replace(conditional, conditions=conditions), *unconditional)

    def rows(self) -> list[Row]:
        """What the next step needs predicted, in the order of the branches."""
        time = self.times[self.num_done : self.num_done + 1]
        return [Row(self.latents, time, branch) for branch in self.branches]

    def advance(self, noises: Sequence[Tensor]) -> None:
        """Moves the latents one step by what the branches predicted."""
        self.noise = noises[0]
        if len(noises) == 2:
            conditional, unconditional = noises
            self.noise = unconditional + self.guidance_scale * (conditional - unconditional)
        timestep = self.scheduler.timesteps[self.num_done]
        self.latents = self.scheduler.step(self.noise, timestep, self.latents, return_dict=False)[0]
        self.num_done += 1

    def clean_latents(self) -> Tensor:
        """Where the last predicted noise leads: x - sigma * v, since v is noise - picture (flow matching)."""
        assert self.noise is not None
        return self.latents - self.scheduler.sigmas[self.num_done] * self.noise
