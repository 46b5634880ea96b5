"""Parses the model setting of a simulated worker, such as `GRIDPRESS_MODEL=simulate:ar=20ms,dit=50ms`.

It imports only light modules, because every worker imports it first.
"""

import re
from dataclasses import dataclass
from typing import Self

from shared.errors import Misconfigured
from shared.ids import Revision

SCHEME = "simulate"
# Pictures do not depend on the durations, so there is one revision for all of them.
REVISION = Revision("simulated-1")

_HOW = f"{SCHEME}:ar=20ms,dit=50ms with durations such as 0, 20ms or 1.5s"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)|0")
_SECONDS = {"ms": 0.001, "s": 1.0}


def is_simulated(model: str | None) -> bool:
    """Returns whether the model setting selects the simulated engine."""
    return model is not None and model.partition(":")[0] == SCHEME


@dataclass(frozen=True, slots=True)
class Simulation:
    """The seconds that a render takes in each stage of a simulation if it is not interrupted."""

    ar_s: float = 0.02
    dit_s: float = 0.05

    @classmethod
    def parse(cls, model: str | None) -> Self:
        """Parses the model setting, such as `simulate:ar=20ms,dit=50ms`.

        The durations of the stages may be left out. Raises `Misconfigured` for anything else.
        """
        assert is_simulated(model)
        assert model
        pairs = [pair.partition("=") for pair in model.partition(":")[2].split(",") if pair]
        if any(stage not in ("ar", "dit") for stage, _, _ in pairs):
            raise Misconfigured(f"GRIDPRESS_MODEL={model} cannot be simulated: {_HOW}")
        return cls(**{f"{stage}_s": _seconds(text, model) for stage, _, text in pairs})


def _seconds(text: str, model: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise Misconfigured(f"GRIDPRESS_MODEL={model}: {text or 'nothing'} is no duration: {_HOW}")
    return float(match[1]) * _SECONDS[match[2]] if match[1] else 0.0
