"""Answers that have no model where they are made: the routes put them together from parts."""

from pydantic import BaseModel, Field

from shared.answers import JobAnswer
from shared.store.durability import Durability


class JobPage(BaseModel):
    """A page of jobs. `next` is the `after` of the next page."""

    data: list[JobAnswer]
    has_more: bool
    next: str | None


class Secret(BaseModel):
    """A webhook secret as the Standard Webhooks libraries take it."""

    secret: str


class JsonWebKeys(BaseModel):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, str]]


class Alive(BaseModel):
    """The process answers."""

    status: str


class StageHealth(BaseModel):
    """Live workers of a stage, the pictures that they can hold, and what waits for a revision that none of them serves."""

    workers: int
    slots: int
    unserved: dict[str, int]


class Health(BaseModel):
    """`ok`, or what is missing. `intake`: whether new jobs are taken; `access`: who may call; `durability`: of a 202."""

    status: str
    checks: dict[str, str]
    intake: str
    stages: dict[str, StageHealth] | None
    access: str | None = Field(description="open: no API key was created yet; keys: one is needed; null: unknown")
    durability: Durability
    enhance_prompt: str = Field(description="on or off")


class Zai(BaseModel):
    """What Z.ai's clients read, and beside it our own words."""

    code: str = Field(description="Z.ai's number")
    message: str
    reason: str = Field(description="our own stable code")
    field: str | None
    retryable: bool


class ZaiError(BaseModel):
    """An error in Z.ai's shape."""

    error: Zai
