"""What became of a prompt that was to be enhanced. Asks nobody and decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class EnhancementStatus(StrEnum):
    """`failed`: the pictures are drawn from the prompt as it was sent."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Enhancement:
    """One per job that asked for it. `revised_prompt` is there when it succeeded, `error` (code, message) when not."""

    status: EnhancementStatus
    revised_prompt: str | None = None
    error: Mapping[str, str] | None = None
