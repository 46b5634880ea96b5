"""Errors named after the condition. Each knows its code, HTTP status and whether a retry can help.

GridpressError
├── InvalidRequest            400  what a caller sent cannot be rendered
│   └── InvalidImage          400  a condition image is broken, too large or animated
├── JobNotFound               404
├── JobNotFinal               409  only a job that has ended can be deleted
├── JobNotRetryable           409  only a job that ended without all its pictures can be retried
├── DeadlineOver              409  the deadline of the job to be retried is over
├── ClientIdTaken             409  the client id stands for another request
├── DeadLetterNotFound        404
├── KeyNotFound               404  no API key with this id
├── FileNotStored             404
├── BatchNotFound             404
├── BatchEnded                409  what is over can't be paused, resumed or cancelled
├── BatchNotRetryable         409  a batch that is not over, or has no bad lines
├── BatchNotFinal             409  only a batch that is over can be deleted
├── EndpointNotFound          404
├── MessageNotFound           404
├── TooManyEndpoints          409
├── EndpointDisabled          409
├── ImageNotFound             404  the job has no picture of this index
├── PriorNotFound             404  the picture whose token grid a job asks for does not exist
├── ImageNotReady             409  the picture is not finished yet
├── ImageNotMade              409  the picture failed, was cancelled or expired
├── ObjectNotFound            404  the object store has no such object
├── PayloadTooLarge           413
├── StoreUnavailable          503  the job store does not answer
├── RecordUnreadable          503  a record of the job store that this version can't read
├── StoreFull                 503  the job store's memory or disk is nearly full
├── ServiceBusy               503  this process has as many bodies or pictures in hand as it can
├── QueueFull                 429  too many renders wait
├── TenantLimitReached        429  the tenant asks for more than it may use now
├── ObjectStoreUnavailable    503  the object store does not answer
├── LeaseLost                      a write came from a worker that no longer holds the render
├── MissingCheckpoint              a worker was started without a model
├── Misconfigured                  settings that cannot work together
└── RenderFailed                   one render cannot be finished; its neighbours can
"""

from collections.abc import Mapping
from typing import ClassVar

from shared.access.limits import Refusal


class GridpressError(Exception):
    """Base of every error that Gridpress raises on purpose."""

    code: str = "internal_error"
    http_status: int = 500
    retryable: bool = False
    retry_after_s: ClassVar[int] = 2


class InvalidRequest(GridpressError):
    """A request that cannot be rendered. `field` is the name of the invalid field as the caller wrote it."""

    code = "invalid_request"
    http_status = 400

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidImage(InvalidRequest):
    """A condition image that cannot be used."""

    code = "invalid_image"


class JobNotFound(GridpressError):
    """No job with this id, or it belongs to another tenant."""

    code = "job_not_found"
    http_status = 404


class JobNotFinal(GridpressError):
    """The job has not ended."""

    code = "job_not_final"
    http_status = 409


class JobNotRetryable(GridpressError):
    """The job has all its pictures, or is still rendering them."""

    code = "job_not_retryable"
    http_status = 409

    def __init__(self, job_id: str, status: str) -> None:
        super().__init__(f"{job_id} is {status}: only a failed, expired or cancelled job can be retried")


class DeadlineOver(GridpressError):
    """The job's deadline has passed, so it would expire at once."""

    code = "deadline_over"
    http_status = 409


class ClientIdTaken(GridpressError):
    """The client id was used before for a different request."""

    code = "client_id_taken"
    http_status = 409

    def __init__(self, client_id: str) -> None:
        super().__init__(f"{client_id} stands for another request already")


class DeadLetterNotFound(GridpressError):
    """No dead letter with this id, or it belongs to another tenant."""

    code = "dead_letter_not_found"
    http_status = 404


class KeyNotFound(GridpressError):
    """No API key with this id."""

    code = "key_not_found"
    http_status = 404


class FileNotStored(GridpressError):
    """No file with this id, or it has expired, or it belongs to another tenant."""

    code = "file_not_found"
    http_status = 404


class BatchNotFound(GridpressError):
    """No batch with this id, or it belongs to another tenant."""

    code = "batch_not_found"
    http_status = 404


class BatchEnded(GridpressError):
    """The batch has ended, or is about to end."""

    code = "batch_ended"
    http_status = 409

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"{batch_id} is over")


class BatchNotRetryable(GridpressError):
    """The batch has no failed lines to retry, or has not ended."""

    code = "batch_not_retryable"
    http_status = 409

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"{batch_id} is not over, or has no line that could be tried again")


class BatchNotFinal(GridpressError):
    """The batch has not ended: cancel it first, and wait for its end."""

    code = "batch_not_final"
    http_status = 409

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"{batch_id} is not over: cancel it first, and wait for its end")


class EndpointNotFound(GridpressError):
    """No webhook endpoint with this id, or it belongs to another tenant."""

    code = "webhook_endpoint_not_found"
    http_status = 404


class MessageNotFound(GridpressError):
    """No webhook message with this id, or it is kept no longer, or it belongs to another tenant."""

    code = "webhook_message_not_found"
    http_status = 404


class TooManyEndpoints(GridpressError):
    """The tenant has the maximum number of webhook endpoints."""

    code = "too_many_webhook_endpoints"
    http_status = 409


class EndpointDisabled(GridpressError):
    """The webhook endpoint is disabled; nothing is sent to it until it is enabled."""

    code = "webhook_endpoint_disabled"
    http_status = 409


class ObjectNotFound(GridpressError):
    """The object store has no object with this key."""

    code = "object_not_found"
    http_status = 404


class ImageNotFound(GridpressError):
    """The job has no picture of this index."""

    code = "image_not_found"
    http_status = 404


class PriorNotFound(GridpressError):
    """The picture to start from does not exist, or belongs to another tenant."""

    code = "prior_not_found"
    http_status = 404
    field = "prior"


class ImageNotReady(GridpressError):
    """The picture is not finished; asking again later helps."""

    code = "image_not_ready"
    http_status = 409
    retryable = True


class ImageNotMade(GridpressError):
    """The picture failed, was cancelled or expired: it will never be available."""

    code = "image_not_made"
    http_status = 409


class PayloadTooLarge(GridpressError):
    """The request's body is over the limit."""

    code = "payload_too_large"
    http_status = 413


class StoreUnavailable(GridpressError):
    """The job store does not answer; nothing was accepted."""

    code = "store_unavailable"
    http_status = 503
    retryable = True


class RecordUnreadable(GridpressError):
    """The job store has a record that this server can't read, such as a newer version's. Its log says why."""

    code = "record_unreadable"
    http_status = 503
    retryable = True
    retry_after_s = 10


class StoreFull(GridpressError):
    """The job store is nearly full and reserves its space for accepted work; nothing was accepted."""

    code = "store_full"
    http_status = 503
    retryable = True
    retry_after_s = 10


class ServiceBusy(GridpressError):
    """This process holds the maximum number of bodies or pictures; nothing was accepted."""

    code = "service_busy"
    http_status = 503
    retryable = True


class QueueFull(GridpressError):
    """More renders wait than the service allows; nothing was accepted."""

    code = "queue_full"
    http_status = 429
    retryable = True
    retry_after_s = 10


class TenantLimitReached(GridpressError):
    """The request exceeds a limit of the tenant; nothing was accepted. Not retryable if it exceeds the limit on its
    own.
    """

    code = "tenant_limit_reached"
    http_status = 429

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.retryable = refusal.retry_after_s is not None


class ObjectStoreUnavailable(GridpressError):
    """The object store does not answer."""

    code = "object_store_unavailable"
    http_status = 503
    retryable = True


class LeaseLost(GridpressError):
    """The render is no longer held by this lease: the write was refused and its result must be dropped."""

    code = "lease_lost"


class MissingCheckpoint(GridpressError):
    """There is no model to load. The message says how to get one."""

    code = "missing_checkpoint"


class Misconfigured(GridpressError):
    """The settings cannot work; the message names the setting."""

    code = "misconfigured"


class RenderFailed(GridpressError):
    """One render failed by a fault of its own. `code` names the fault; other renders of the worker go on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = code

    def as_error(self, stage: str) -> Mapping[str, object]:
        """Returns the error as it is stored and shown to clients."""
        return {"code": self.reason, "message": str(self), "stage": stage, "retryable": False}
