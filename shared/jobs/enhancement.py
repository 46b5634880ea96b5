"""Describes the result of a prompt enhancement, in which a language model rewrites a job's prompt. Calls no model."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class EnhancementStatus(StrEnum):
    """The status of a prompt enhancement. If it is `failed`, the pictures are rendered from the original prompt."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Enhancement:
    """The prompt enhancement of one job.

    `revised_prompt` is set once the enhancement has succeeded. `error` (code and message) is set once it has failed.
    """

    status: EnhancementStatus
    revised_prompt: str | None = None
    error: Mapping[str, str] | None = None
