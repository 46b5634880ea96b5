"""Moves latents from one noise level to the next, with the noise that the transformer predicts: a second-order solver
beside diffusers' Euler. It predicts nothing.
"""

from collections.abc import Sequence

from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor


class SecondOrderScheduler:
    """The two-step Adams-Bashforth method over the noise levels of an Euler scheduler, with the methods of diffusers'
    schedulers that a render calls.

    With flow matching, the predicted noise v is the derivative of the latents by the noise level. Euler takes v for the
    whole step. This solver also extrapolates how v changes within the step, from the step before. The first step is
    Euler's. Each step computes the transformer once. Source: Hairer, Norsett, Wanner, "Solving Ordinary Differential
    Equations I", section III.5 (variable step sizes).
    """

    def __init__(self, euler: FlowMatchEulerDiscreteScheduler) -> None:
        self.timesteps: Tensor = euler.timesteps
        self.sigmas: Tensor = euler.sigmas
        self.previous: Tensor | None = None
        """The noise of the last step. Later steps depend on no older noise."""
        self._index = 0

    def set_begin_index(self, index: int) -> None:
        """Makes `index` the next step. `previous` must be set to the noise of the step before."""
        self._index = index

    def step(self, noise: Tensor, _timestep: Tensor, latents: Tensor, *, return_dict: bool) -> Sequence[Tensor]:
        """Returns the latents at the next noise level, in float32, as a tuple of one like diffusers' schedulers."""
        assert not return_dict
        index, sigmas = self._index, self.sigmas
        derivative, width = noise, sigmas[index + 1] - sigmas[index]
        if self.previous is not None:
            ratio = width / (sigmas[index] - sigmas[index - 1])
            derivative = noise + ratio / 2 * (noise - self.previous)
        self.previous = noise
        self._index += 1
        return (latents.float() + width * derivative,)
