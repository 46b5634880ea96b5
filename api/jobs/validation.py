"""The route that checks a request for a job without creating one. It reports all errors at once, or the cost."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, request

from api.bodies.documents import read_fields
from api.bodies.incoming import takes_pictures
from api.edge import idempotency
from api.edge.authentication import caller, check_model
from api.jobs.estimate import always, estimate_of
from api.problems.errors import ForbiddenModel
from api.services import services
from shared.errors import GridpressError, TenantBeingErased
from shared.intake.examination import Examination, Flaw, examine
from shared.intake.line_cost import cost_of_job
from shared.intake.request import JobRequest
from shared.responses.estimates import JobErrorResponse, JobValidationResponse
from shared.wording.values import with_field

validation = Blueprint("job_validation", __name__, url_prefix="/v1/jobs/validate")

_MOST_CHARS = 500  # of a message, as in error responses


@validation.post("")
@takes_pictures
@idempotency.exempt_if(always)
def validate() -> dict[str, Any]:
    """Checks a request for a job, and reports all errors at once, or the cost and the expected times of the job. Takes
    the request of `POST /v1/jobs`. Creates and stores nothing, and charges nothing to the limits of pixels or pictures.

    `errors` also has the limits that would refuse the request now. Condition images are decoded, except those at web
    URLs: they are not fetched, and the estimate counts them as 1024x1024. Each has an entry in `warnings`.
    """
    body = read_fields(request)
    found = examine(services().intake, body.fields, body.of, caller().tenant)
    total = cost_of_job(found.request, found.settings) if found.settings else None
    refusals = _refusals(found.request, total.pixels if total else 0)
    errors = [_error(flaw) for flaw in (*found.flaws, *(Flaw(None, each) for each in refusals))]
    answer = JobValidationResponse(
        is_valid=not errors,
        errors=errors,
        estimate=estimate_of(found.request, total) if total else None,
        warnings=_warnings(found),
    )
    return answer.model_dump(mode="json")


def _refusals(asked: JobRequest, num_pixels: int) -> Sequence[GridpressError]:
    """Returns all errors with which the service would refuse the caller a job of this size now."""
    deps, who = services(), caller()
    found: list[GridpressError] = []
    try:
        if not asked.prior:
            check_model(asked.model)
    except ForbiddenModel as error:
        found.append(error)
    if deps.erasures.find(who.tenant):
        found.append(TenantBeingErased())
    return [*found, *deps.admission.refusals(who.tenant, who.limits, asked.n, num_pixels)]


def _error(flaw: Flaw) -> JobErrorResponse:
    error, name = flaw.error, flaw.field and flaw.field[:_MOST_CHARS]
    message = with_field(name, str(error))[:_MOST_CHARS]
    return JobErrorResponse(code=error.code, field=name, message=message, retryable=error.retryable)


def _warnings(found: Examination) -> list[str]:
    why = "was not fetched: whether it is a picture is checked when the job is sent"
    return [f"{name} {why}" for name in found.not_fetched]
