"""Examines a request that creates no job, and finds all of its errors at once, not only the first."""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from shared.errors import GridpressError, ImageNotMade, ImageNotReady, InvalidRequest, PriorNotFound
from shared.ids import TenantId
from shared.intake.fields import FieldError, InvalidFields, validated
from shared.intake.request import Body, JobRequest
from shared.intake.spec import Intake
from shared.jobs.spec import RenderSettings

_STAND_IN = "-"  # stands for a prompt that can't be used, so that the other fields can be checked
# Fields that can't be judged without another one, which is invalid.
_TOGETHER: Mapping[str, Sequence[str]] = {
    "webhook_url": ("webhook_events", "webhook_payload", "webhook_secret"),
    "width": ("height",),
    "height": ("width",),
    "resize": ("size", "width", "height"),
}
_OF_PRIOR = (PriorNotFound, ImageNotReady, ImageNotMade)


@dataclass(frozen=True, slots=True)
class Flaw:
    """An error of a request, and the field that it is about; None if it is about no single field."""

    field: str | None
    error: GridpressError


@dataclass(frozen=True, slots=True)
class Examination:
    """All errors of a request. Without errors, `settings` are those of its pictures.

    `request` has the valid fields alone, and defaults for the others. `not_fetched` has the names of the fields with
    web URLs, whose images were not fetched.
    """

    request: JobRequest
    flaws: Sequence[Flaw]
    settings: RenderSettings | None = None
    not_fetched: Sequence[str] = ()


def examine(
    intake: Intake, fields: Mapping[str, Any], body_of: Callable[[JobRequest], Body], tenant: TenantId
) -> Examination:
    """Examines the fields of a request of the tenant. Creates, stores and fetches nothing.

    `body_of` returns the body of a request with its images. Raises `ObjectStoreUnavailable`, `ServiceBusy` and
    `StoreUnavailable`.
    """
    request, errors = valid_part(fields)
    flaws = [Flaw(error.field, InvalidRequest(error.message, error.field)) for error in errors]
    invalid = {_own_name(error.field) for error in errors}
    source = None
    try:
        body = body_of(request) if "images" not in invalid else Body(request)
    except InvalidRequest as error:  # a large picture in another field
        flaws, body = [*flaws, Flaw(error.field, error)], Body(request)
    try:
        source = intake.source_of(request, tenant)
    except _OF_PRIOR as error:
        flaws.append(Flaw("prior", error))
    found = intake.examined(body, tenant, source)
    flaws += [Flaw(error.field, error) for error in found.errors]
    return Examination(request, flaws, None if flaws else found.settings, found.not_fetched)


def valid_part(fields: Mapping[str, Any]) -> tuple[JobRequest, list[FieldError]]:
    """Returns a request of the valid fields alone, and the errors of the others.

    One validation reports only some errors, so it is repeated without the fields that were found invalid.
    """
    rest, errors = dict(fields), list[FieldError]()
    for _ in JobRequest.model_fields:  # each repetition has fewer fields
        try:
            return validated(JobRequest, rest), errors
        except InvalidFields as error:
            found = error.errors
        errors += found
        rest = _without(rest, {_own_name(each.field) for each in found})
    return JobRequest(prompt=_STAND_IN), errors


def _without(fields: Mapping[str, Any], invalid: Set[str]) -> dict[str, Any]:
    """Returns the known fields without the invalid ones, and without those that can't be judged alone."""
    left_out = {*invalid, *(other for name in invalid for other in _TOGETHER.get(name, ()))}
    rest = {name: value for name, value in fields.items() if name in JobRequest.model_fields and name not in left_out}
    return rest if rest.get("prompt") or rest.get("prior") else {**rest, "prompt": _STAND_IN}


def _own_name(field: str | None) -> str:
    """Returns the name of the request's field in which a value is: `images` for `images[1]`."""
    return re.split(r"[.\[]", field or "", maxsplit=1)[0]
