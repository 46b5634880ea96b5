"""The one message between processes: a hint. It names no render, so a lost or repeated one costs nothing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

VERSION = 1


class Hint(BaseModel):
    """A permission to take one render of a stage, or one delivery."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
