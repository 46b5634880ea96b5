"""What an operator sets for a model: defaults, a canary share, and whether requests may wait for workers. No I/O."""

import hashlib

from pydantic import BaseModel, ConfigDict

from shared.ids import JobId, Revision
from shared.jobs.spec import Quality

_ALL = 2**64


class Canary(BaseModel):
    """The share of the new jobs of a model that goes to a revision on trial. `percent` is above 0 and at most 100."""

    model_config = ConfigDict(frozen=True)

    revision: Revision
    percent: float

    def takes(self, job_id: JobId) -> bool:
        """Returns whether the job belongs to the share. This depends on the id alone: a larger share has all jobs of a
        smaller one.
        """
        place = int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:8], "big")
        return place * 100 < self.percent * _ALL


class ModelDefaults(BaseModel):
    """Values of a model for fields that a request leaves out. None: the default of the API."""

    model_config = ConfigDict(frozen=True)

    size: str | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    quality: Quality | None = None


class ModelRules(BaseModel):
    """All that an operator has set for the model `name`.

    With `waits`, requests for the model are accepted while no worker serves it, and wait for one. Only a model other
    than the default needs this: requests for the default model always wait.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    canary: Canary | None = None
    defaults: ModelDefaults = ModelDefaults()
    waits: bool = False
