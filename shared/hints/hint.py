"""Defines the hint, a Celery message that wakes a worker. Processes send each other no other message. A hint names no
render, so a lost or repeated hint does no harm.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

VERSION = 1


class Hint(BaseModel):
    """A message that wakes a worker, which then claims work itself: for example one render, or one webhook delivery."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
