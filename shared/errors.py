"""Defines the errors of Gridpress. Each class has a stable code, an HTTP status, and says whether a retry can help.

GridpressError
├── InvalidRequest            400  the request can't be rendered
│   └── InvalidImage          400  a condition image is broken, too large or animated
├── JobNotFound               404
├── JobNotFinal               409  only a job that has ended can be deleted
├── JobNotRetryable           409  only a job that ended without all its pictures can be retried
├── DeadlineOver              409  the deadline of the job to be retried has passed
├── ClientIdTaken             409  the client id belongs to another request
├── DeadLetterNotFound        404
├── KeyNotFound               404  no API key with this id
├── PauseNotFound             404  this is not paused
├── WorkerNotFound            404  no live worker with this id, or it is not drained
├── RevisionNotServed         409  no live AR worker serves the model revision
├── TenantNotFound            404  the caller may not manage a tenant of this name
├── TenantBeingErased         409  the data of the tenant is being erased
├── KeyEnded                  409  the API key is revoked, expired or replaced
├── KeyExists                 409  an earlier request with the same Idempotency-Key created the API key
├── TooManyKeys               409  the tenant has the maximum number of API keys
├── FileNotStored             404  no file with this id, or it has expired
├── BatchNotFound             404
├── BatchEnded                409  a batch that has ended can't be paused, resumed or cancelled
├── BatchNotRetryable         409  the batch has not ended, or has no failed lines
├── BatchNotFinal             409  only a batch that has ended can be deleted
├── EndpointNotFound          404
├── MessageNotFound           404
├── TooManyEndpoints          409  the tenant has the maximum number of webhook endpoints
├── EndpointDisabled          409  the webhook endpoint is disabled
├── ImageNotFound             404  the job has no picture with this index
├── PriorNotFound             404  the picture whose token grid a job asks for does not exist
├── ImageNotReady             409  the picture is not finished yet
├── ImageNotMade              409  the picture failed, was cancelled or expired
├── ObjectNotFound            404  the object store has no such object
├── PayloadTooLarge           413  the request body exceeds the limit
├── StoreUnavailable          503  the job store is unreachable
├── RecordUnreadable          503  this version can't read a record in the job store
├── StoreFull                 503  the job store's memory or disk is nearly full
├── ServiceBusy               503  this process already handles the maximum number of bodies or pictures
├── QueueFull                 429  too many renders wait
├── TenantLimitReached        429  the tenant asks for more than it may use now
├── ObjectStoreUnavailable    503  the object store is unreachable
├── LeaseLost                      a worker whose lease has ended tried to write
├── MissingCheckpoint              a worker was started without a model
├── DownloadInterrupted            a worker could not finish the download of its model
├── Misconfigured                  a setting is missing or invalid
└── RenderFailed                   one render can't be finished; other renders of the worker can
"""

from collections.abc import Mapping
from typing import ClassVar

from shared.access.limits import Refusal


class GridpressError(Exception):
    """Base class of every error that Gridpress raises on purpose."""

    code: str = "internal_error"
    http_status: int = 500
    retryable: bool = False
    retry_after_s: ClassVar[int] = 2


class InvalidRequest(GridpressError):
    """The request can't be rendered. `field` is the name of the invalid field, as the caller wrote it."""

    code = "invalid_request"
    http_status = 400

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidImage(InvalidRequest):
    """A condition image can't be used."""

    code = "invalid_image"


class JobNotFound(GridpressError):
    """There is no job with this id, or it belongs to another tenant."""

    code = "job_not_found"
    http_status = 404


class JobNotFinal(GridpressError):
    """The job has not ended."""

    code = "job_not_final"
    http_status = 409


class JobNotRetryable(GridpressError):
    """The job has all its pictures, or is still rendering them, or its retention is over."""

    code = "job_not_retryable"
    http_status = 409

    def __init__(self, job_id: str, status: str, *, is_retention_over: bool = False) -> None:
        super().__init__(
            f"the retention of {job_id} is over, so it can't be retried: send its request as a new job"
            if is_retention_over
            else f"{job_id} is {status}: only a failed, expired or cancelled job can be retried"
        )


class DeadlineOver(GridpressError):
    """The deadline of the job has passed, so a retry would expire at once."""

    code = "deadline_over"
    http_status = 409


class ClientIdTaken(GridpressError):
    """The client id was used before for a different request."""

    code = "client_id_taken"
    http_status = 409

    def __init__(self, client_id: str) -> None:
        super().__init__(f"{client_id} already belongs to another request")


class DeadLetterNotFound(GridpressError):
    """There is no dead letter with this id, or it belongs to another tenant."""

    code = "dead_letter_not_found"
    http_status = 404


class KeyNotFound(GridpressError):
    """There is no API key with this id, or it belongs to another tenant."""

    code = "key_not_found"
    http_status = 404


class KeyEnded(GridpressError):
    """The API key is revoked or expired, or another API key has replaced it."""

    code = "key_ended"
    http_status = 409


class KeyExists(GridpressError):
    """An earlier request with the same Idempotency-Key created the API key. Its text was shown once.

    If the response was lost, revoke the key and create another one.
    """

    code = "key_exists"
    http_status = 409

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"an earlier request created {key_id}, and its text is shown only once: revoke it if it is lost"
        )


class TooManyKeys(GridpressError):
    """The tenant has the maximum number of API keys that are neither revoked nor expired."""

    code = "too_many_keys"
    http_status = 409


class PauseNotFound(GridpressError):
    """What the request would resume is not paused."""

    code = "pause_not_found"
    http_status = 404


class WorkerNotFound(GridpressError):
    """There is no live worker of a stage with this id, or an operator does not drain it."""

    code = "worker_not_found"
    http_status = 404


class RevisionNotServed(GridpressError):
    """No live AR worker serves the model revision, so no work can be moved to it."""

    code = "revision_not_served"
    http_status = 409


class TenantNotFound(GridpressError):
    """There is no tenant of this name that the caller may manage."""

    code = "tenant_not_found"
    http_status = 404


class TenantBeingErased(GridpressError):
    """The data of the tenant is being erased, so nothing new is accepted."""

    code = "tenant_being_erased"
    http_status = 409

    def __init__(self) -> None:
        super().__init__("the data of this tenant is being erased: nothing new is accepted until that has ended")


class FileNotStored(GridpressError):
    """There is no file with this id, or it has expired, or it belongs to another tenant."""

    code = "file_not_found"
    http_status = 404


class BatchNotFound(GridpressError):
    """There is no batch with this id, or it belongs to another tenant."""

    code = "batch_not_found"
    http_status = 404


class BatchEnded(GridpressError):
    """The batch has ended, or is about to end."""

    code = "batch_ended"
    http_status = 409

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"{batch_id} has ended or is about to end")


class BatchNotRetryable(GridpressError):
    """The batch has no failed lines to retry, or has not ended."""

    code = "batch_not_retryable"
    http_status = 409

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"{batch_id} has not ended, or has no line that can be retried")


class BatchNotFinal(GridpressError):
    """The batch has not ended. Cancel it first, and wait for its end."""

    code = "batch_not_final"
    http_status = 409

    def __init__(self, batch_id: str) -> None:
        super().__init__(f"{batch_id} has not ended: cancel it first, and wait for its end")


class EndpointNotFound(GridpressError):
    """There is no webhook endpoint with this id, or it belongs to another tenant."""

    code = "webhook_endpoint_not_found"
    http_status = 404


class MessageNotFound(GridpressError):
    """There is no webhook message with this id, or its retention has passed, or it belongs to another tenant."""

    code = "webhook_message_not_found"
    http_status = 404


class TooManyEndpoints(GridpressError):
    """The tenant has the maximum number of webhook endpoints."""

    code = "too_many_webhook_endpoints"
    http_status = 409


class EndpointDisabled(GridpressError):
    """The webhook endpoint is disabled. Nothing is sent to it until it is enabled."""

    code = "webhook_endpoint_disabled"
    http_status = 409


class ObjectNotFound(GridpressError):
    """The object store has no object with this key."""

    code = "object_not_found"
    http_status = 404


class ImageNotFound(GridpressError):
    """The job has no picture with this index."""

    code = "image_not_found"
    http_status = 404


class PriorNotFound(GridpressError):
    """The picture named in `prior` does not exist, or belongs to another tenant."""

    code = "prior_not_found"
    http_status = 404
    field = "prior"


class ImageNotReady(GridpressError):
    """The picture is not finished yet. Ask again later."""

    code = "image_not_ready"
    http_status = 409
    retryable = True


class ImageNotMade(GridpressError):
    """The picture failed, was cancelled or has expired. It will never be available."""

    code = "image_not_made"
    http_status = 409


class PayloadTooLarge(GridpressError):
    """The body of the request exceeds the limit."""

    code = "payload_too_large"
    http_status = 413


class StoreUnavailable(GridpressError):
    """The job store is unreachable. Nothing was accepted."""

    code = "store_unavailable"
    http_status = 503
    retryable = True


class RecordUnreadable(GridpressError):
    """The job store has a record that this server can't read, such as one of a newer version. The server's log has the
    reason.
    """

    code = "record_unreadable"
    http_status = 503
    retryable = True
    retry_after_s = 10


class StoreFull(GridpressError):
    """The job store is nearly full, and its remaining space is reserved for jobs that were accepted before. Nothing was
    accepted.
    """

    code = "store_full"
    http_status = 503
    retryable = True
    retry_after_s = 10


class ServiceBusy(GridpressError):
    """This process already handles the maximum number of request bodies or pictures. Nothing was accepted."""

    code = "service_busy"
    http_status = 503
    retryable = True


class QueueFull(GridpressError):
    """More renders are waiting than the service allows. Nothing was accepted."""

    code = "queue_full"
    http_status = 429
    retryable = True
    retry_after_s = 10


class TenantLimitReached(GridpressError):
    """The request exceeds a limit of the tenant. Nothing was accepted.

    The error is not retryable if the request alone exceeds the limit.
    """

    code = "tenant_limit_reached"
    http_status = 429

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.retryable = refusal.retry_after_s is not None


class ObjectStoreUnavailable(GridpressError):
    """The object store is unreachable, or refused the request."""

    code = "object_store_unavailable"
    http_status = 503
    retryable = True


class LeaseLost(GridpressError):
    """The lease of the render has ended. The write was refused, and the worker must discard its result."""

    code = "lease_lost"


class MissingCheckpoint(GridpressError):
    """A worker has no model to load. The message says how to get one."""

    code = "missing_checkpoint"


class DownloadInterrupted(GridpressError):
    """A download of a model broke off, or its files were damaged. The next start of the worker goes on with it."""

    code = "download_interrupted"


class Misconfigured(GridpressError):
    """A setting is missing or can't work. The message names the setting."""

    code = "misconfigured"


class RenderFailed(GridpressError):
    """One render failed because of its own input. `code` names the cause; the other renders of the worker continue."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = code

    def as_error(self, stage: str) -> Mapping[str, object]:
        """Returns the error in the form in which it is stored and shown to clients."""
        return {"code": self.reason, "message": str(self), "stage": stage, "retryable": False}
