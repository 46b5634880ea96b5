"""Problem details (RFC 9457), the form of all error responses outside the API formats of OpenAI and Z.ai.

They also contain the error as OpenAI's clients read it, since these clients can call every route.
"""

from collections.abc import Sequence

from pydantic import BaseModel

from api.problems.openai import OpenAi, error_fields
from shared.intake.fields import FieldError

_MAX_CHARS = 500  # text from a request that an error response quotes is cut to so many characters


class Problem(BaseModel):
    """RFC 9457 problem details.

    `code` never changes between versions. `field` is the field of the first of `errors`, named as in the request.
    `error` repeats the error for OpenAI's clients, which show only `error.message`.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    field: str | None
    retryable: bool
    errors: list[FieldError]
    error: OpenAi


def problem(
    status: int,
    code: str,
    detail: str,
    instance: str,
    *,
    field: str | None = None,
    retryable: bool = False,
    errors: Sequence[FieldError] = (),
) -> Problem:
    """Creates problem details (RFC 9457) and returns them.

    `type` and `title` are derived from `code`. Texts are cut to 500 characters.
    """
    detail, named = detail[:_MAX_CHARS], field[:_MAX_CHARS] if field else None
    return Problem(
        type=f"urn:gridpress:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        instance=instance[:_MAX_CHARS],
        code=code,
        field=named,
        retryable=retryable,
        errors=[FieldError(field=error.field and error.field[:_MAX_CHARS], message=error.message) for error in errors],
        error=error_fields(status, code, detail, named, retryable=retryable),
    )
