"""Words an error of this service as problem details, for error responses and for examples in the OpenAPI document."""

from api.problems.openai import JobNotMade
from api.problems.problem import Problem, problem
from api.problems.wrong_ids import hint_of
from shared.errors import GridpressError, ObjectStoreUnavailable, StoreUnavailable
from shared.wording.values import with_field

# Messages for outages that contain no internal address.
_OUTAGES = {
    StoreUnavailable.code: "the job store is unreachable; try again",
    ObjectStoreUnavailable.code: "the object store is unreachable; try again",
}


def problem_of(error: GridpressError, path: str) -> Problem:
    """Returns the problem details of an error that a request for the path caused."""
    return problem(
        error.http_status,
        error.code,
        _detail(error),
        path,
        field=getattr(error, "field", None),
        retryable=error.retryable,
        errors=getattr(error, "errors", ()),
    )


def _detail(error: GridpressError) -> str:
    """Returns the text for the field `detail` of an error response.

    The text names the wrong field, since some clients show only this text.
    """
    if error.http_status >= 500 and not isinstance(error, JobNotMade):
        return _OUTAGES.get(error.code, str(error) if error.http_status == 503 else "an internal error of the service")
    message = str(error) + hint_of(error.code, str(error))
    return with_field(getattr(error, "field", None), message)
