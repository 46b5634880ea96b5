"""Reads a profile file, which `benchmarks.profile` writes. The file has the measured times of one worker of each stage,
to which this module fits the cost model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import Misconfigured
from shared.schedule.cost import DEFAULT_COSTS, CostModel, fitted
from shared.wording.sentences import Wording

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ArPoint(BaseModel):
    """One measurement of an AR worker: the seconds that a decode step takes with `rows` renders in the step."""

    model_config = ConfigDict(frozen=True)

    rows: int = Field(ge=1)
    step_s: Positive


class DitPoint(BaseModel):
    """One measurement of the DiT, for one picture size: the seconds per denoise step, guidance included, and the fixed
    seconds per picture.

    The fixed part is the preparation and the VAE.
    """

    model_config = ConfigDict(frozen=True)

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    step_s: Positive
    fixed_s: float = Field(ge=0, allow_inf_nan=False)

    @property
    def num_pixels(self) -> int:
        return self.width * self.height


class Profile(BaseModel):
    """The measured times of one worker of each stage. `measured_on` describes the machine, for people."""

    model_config = ConfigDict(frozen=True)

    measured_on: Mapping[str, object] = {}
    ar: list[ArPoint] = Field(min_length=1)
    dit: list[DitPoint] = Field(min_length=1)


def read_profile(file: Path) -> Profile:
    """Reads a profile file. Raises `OSError`, and `ValueError` with the first fault of a file that is no profile."""
    try:
        return Profile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        message = Wording(Profile, whole="the profile").flaws(error)[0].message
    raise ValueError(message)


def costs_of_profile(file: Path | None) -> CostModel:
    """Returns a cost model that fits the measured DiT steps in a profile file; the default model without a file.

    Raises `Misconfigured` if the file can't be read or is not a profile.
    """
    if file is None:
        return DEFAULT_COSTS
    try:
        profile = read_profile(file)
    except OSError as error:
        raise Misconfigured(f"GRIDPRESS_COST_PROFILE={file} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise Misconfigured(f"GRIDPRESS_COST_PROFILE={file} is no profile: {error}") from error
    return fitted([(point.num_pixels, point.step_s) for point in profile.dit])
