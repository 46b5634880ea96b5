"""An example of every error, for the OpenAPI document. Each is worded by the code that words real errors.

A test compares the messages with those that the code raises.
"""

from collections.abc import Callable

from werkzeug.exceptions import HTTPException

from api.openapi import examples
from api.openapi.operation import Refusal
from api.problems import openai, zai
from api.problems.errors import (
    ExceedsOwnKey,
    ForbiddenHost,
    ForbiddenModel,
    ForbiddenNetwork,
    ForbiddenOrigin,
    ForbiddenProxy,
    IdempotencyKeyReused,
    MissingScope,
    NoKeyYet,
    RequestInProgress,
    Unauthorized,
)
from api.problems.http_errors import code_for, words_for
from api.problems.problem import Problem, problem
from api.problems.wording import problem_of
from shared.access import limits
from shared.access.rights import Rights, Scope
from shared.errors import (
    BatchEnded,
    BatchNotFinal,
    BatchNotFound,
    BatchNotRetryable,
    ClientIdTaken,
    DeadLetterNotFound,
    DeadlineOver,
    EndpointDisabled,
    EndpointNotFound,
    FileNotStored,
    GridpressError,
    ImageNotFound,
    ImageNotMade,
    ImageNotReady,
    InvalidImage,
    InvalidRequest,
    JobNotFinal,
    JobNotFound,
    JobNotRetryable,
    KeyEnded,
    KeyExists,
    KeyNotFound,
    MessageNotFound,
    ObjectNotFound,
    ObjectStoreUnavailable,
    PauseNotFound,
    PayloadTooLarge,
    PriorNotFound,
    QueueFull,
    RevisionNotServed,
    ServiceBusy,
    StoreFull,
    StoreUnavailable,
    TenantBeingErased,
    TenantLimitReached,
    TenantNotFound,
    TooManyEndpoints,
    TooManyKeys,
    WorkerNotFound,
)
from shared.intake.fields import validated
from shared.intake.request import JobRequest
from shared.models.names import ModelNames

_PATH = "/v1/jobs"  # the path in all examples
_JOB = "job_01ke6q8v3c9t0n5w7x2z4b6d8f"
_BATCH = "batch_01ke6q8v3c9t0n5w7x2z4b6d8f"
_ENDPOINT = "ep_01ke6q8v3c9t0n5w7x2z4b6d8f"

_NO_KEY_YET = "this API has no key yet and serves this machine only: run `gridpress keys create`, and send the key"

# What werkzeug's errors say in addition to the words for their status.
_OF_HTTP = {404: "there is no route /studio/missing.js", 415: "send application/json, not text/plain"}


def example_of(refusal: Refusal) -> Problem:
    """Returns the problem details of an example of an error class."""
    if issubclass(refusal, GridpressError):
        return problem_of(ERRORS[refusal], _PATH)
    return _of_http(refusal)


def _of_http(refusal: type[HTTPException]) -> Problem:
    assert refusal.code
    detail = _OF_HTTP.get(refusal.code, words_for(refusal.code))
    return problem(refusal.code, code_for(refusal.code), detail, _PATH)


def _raised(call: Callable[[], object]) -> GridpressError:
    """Returns the error that a call raises."""
    try:
        call()
    except GridpressError as error:
        return error
    raise AssertionError("the call of an example raises no error")


def _over_the_limit() -> GridpressError:
    refusal = limits.refuse_more_queued(limits.TenantLimits(queued_renders=100), num_queued=98, n=4)
    assert refusal
    return TenantLimitReached(refusal)


def _exceeding() -> GridpressError:
    excess = Rights(frozenset({Scope.ADMIN})).lacks(frozenset({Scope.OPERATOR}))
    assert excess
    return ExceedsOwnKey(excess.message, excess.field)


_UNKNOWN_MODEL = ModelNames(("zai-org/GLM-Image",)).refusal("sdxl")
_SAMPLES: tuple[GridpressError, ...] = (
    InvalidImage("the picture is animated or has several pages: send one", "images[0]"),
    JobNotFound(f"no job {_JOB}"),
    JobNotFinal(f"{_JOB} has not ended: cancel it first"),
    JobNotRetryable(_JOB, "succeeded"),
    DeadlineOver(f"the deadline of {_JOB} is over: give a new one, or null for none"),
    ClientIdTaken("poster-7"),
    DeadLetterNotFound(f"no dead letter {_JOB}:0000"),
    TenantBeingErased(),
    TenantNotFound("this tenant does not exist, or is not yours"),
    FileNotStored("no file file-01ke6q8v3c9t0n5w7x2z4b6d8f"),
    BatchNotFound(f"no batch {_BATCH}"),
    BatchEnded(_BATCH),
    BatchNotRetryable(_BATCH),
    BatchNotFinal(_BATCH),
    EndpointNotFound(f"no webhook endpoint {_ENDPOINT}"),
    EndpointDisabled(f"{_ENDPOINT} is disabled: enable it first"),
    TooManyEndpoints("a tenant may have 20 webhook endpoints"),
    MessageNotFound("no webhook message evt_01ke6q8v3c9t0n5w7x2z4b6d8f_job_succeeded"),
    ObjectNotFound("there is no object jobs/01ke6q8v3c9t0n5w7x2z4b6d8f/0000/4f3a/image.png"),
    ImageNotFound(f"{_JOB} has 2 images, so no image 2"),
    PriorNotFound(f"no job {_JOB}"),
    ImageNotReady("image 0 is not finished: it is decode_running"),
    ImageNotMade("image 0 is cancelled"),
    PayloadTooLarge("the file has more than 536870912 bytes"),
    StoreUnavailable("the job store did not answer a moment ago"),
    StoreFull("the job store's memory is nearly full; what was accepted goes on"),
    ServiceBusy("the request bodies being processed take all the memory allowed for them; try again"),
    QueueFull("20000 renders wait already, and the limit is 20000"),
    ObjectStoreUnavailable("the object store refuses: the bucket does not exist"),
    Unauthorized("this API key is unknown, revoked or expired", "invalid_token"),
    MissingScope(Scope.ADMIN),
    _exceeding(),
    ForbiddenNetwork("this API key may not be used from 198.51.100.7"),
    ForbiddenModel("this API key is for sdxl only, and this service serves zai-org/GLM-Image"),
    NoKeyYet("this API has no key yet: run `gridpress keys create` on its machine, and send that key"),
    KeyNotFound("no API key x7k2m4qa"),
    PauseNotFound("stage dit is not paused"),
    WorkerNotFound("no live worker dit-render-1-4711-0a1b2c3d"),
    RevisionNotServed("no live AR worker serves the revision 4f3a2b1c0d9e"),
    KeyEnded("x7k2m4qa is revoked"),
    KeyExists("x7k2m4qa"),
    TooManyKeys("a tenant may have 500 API keys: revoke one that is not in use"),
    ForbiddenHost(f"the Host header names another machine; {_NO_KEY_YET}"),
    ForbiddenOrigin("pages of other sites may not use this API"),
    ForbiddenProxy(f"X-Forwarded-For shows that a proxy forwarded this request; {_NO_KEY_YET}"),
    RequestInProgress("the first request with this Idempotency-Key is still running"),
    IdempotencyKeyReused("this Idempotency-Key was used with a different request before"),
    openai.ModelNotServed(_UNKNOWN_MODEL),
    openai.ContentRejected(examples.rejected_job()),
    openai.StillRendering(examples.finished_job()),
    zai.ModelNotServed(_UNKNOWN_MODEL, "model"),
    zai.StillRendering(f"{_JOB} is still running; retry the request, or read it at /paas/v4/async-result/{_JOB}"),
    zai.JobNotMade(f"{_JOB} is failed"),
    zai.ContentRejected(f"{_JOB} is rejected: the content policy refused the prompt: the prompt asks for violence"),
    _over_the_limit(),
)
ERRORS: dict[type[GridpressError], GridpressError] = {
    **{type(error): error for error in _SAMPLES},
    InvalidRequest: _raised(lambda: validated(JobRequest, {"prompt": "a red kite", "n": 0})),
}
