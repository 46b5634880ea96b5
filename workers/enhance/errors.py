"""Defines the error for a prompt that was not enhanced."""

from shared.errors import GridpressError


class NotEnhanced(GridpressError):
    """The error for a prompt that could not be enhanced. `reason` is a stable code for clients.

    `is_final` means that a retry would be useless, because it would fail in the same way.
    """

    code = "not_enhanced"
    retryable = True

    def __init__(self, reason: str, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = is_final
