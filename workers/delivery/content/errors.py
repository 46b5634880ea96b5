"""Defines the error for a content check without a verdict."""

from shared.errors import GridpressError


class NoVerdict(GridpressError):
    """A content hook gave no verdict. `reason` is a stable code for logs.

    `is_final` means that another request would be useless, because it would end in the same way.
    """

    code = "content_check_failed"
    retryable = True

    def __init__(self, reason: str, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = is_final
