"""Why a prompt was not enhanced."""

from shared.errors import GridpressError


class NotEnhanced(GridpressError):
    """`reason` is a stable code for clients. `is_final`: asking again would cost time and end the same way."""

    code = "not_enhanced"
    retryable = True

    def __init__(self, reason: str, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = is_final
