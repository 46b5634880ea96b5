"""Is the Python client of Gridpress: `Client` and `AsyncClient`, the values that they return, and their errors.

from gridpress.client import Client

with Client() as client:
    [picture] = client.render("a red poster that says \\"OPEN\\"", size="512x512")
    picture.save("open.png")
"""

from gridpress.client.async_client import AsyncClient
from gridpress.client.client import Client
from gridpress.client.errors import (
    AccessDenied,
    ClientError,
    Conflict,
    ErrorResponse,
    InvalidRequest,
    InvalidSignature,
    JobNotSucceeded,
    LimitReached,
    NotFound,
    ServiceFailed,
    StillRunning,
    UnexpectedResponse,
    Unreachable,
)
from gridpress.client.pictures import Picture
from gridpress.client.retries import NO_RETRIES, Retries
from gridpress.client.sse import Event
from gridpress.client.webhooks import WebhookEvent
from shared.access.rights import Scope
from shared.batches.batch import BatchPriority, BatchStatus
from shared.files import Purpose
from shared.intake.request import JobRequest
from shared.jobs.cancellation import CancelOutcome
from shared.jobs.states import JobStatus
from shared.responses.batches import BatchResponse as Batch
from shared.responses.cancellations import CancellationResponse as Cancellation
from shared.responses.estimates import JobValidationResponse as JobValidation
from shared.responses.files import FileResponse as File
from shared.responses.keys import KeyResponse as Key
from shared.responses.keys import KeyWithText as NewKey
from shared.responses.limits import LimitsResponse as Limits
from shared.responses.limits import TenantLimitsResponse as TenantLimits
from shared.responses.schemas import JobResponse as Job
from shared.responses.webhook_endpoints import EndpointResponse as WebhookEndpoint
from shared.responses.webhook_endpoints import EndpointWithSecret as NewWebhookEndpoint

__all__ = [
    "NO_RETRIES",
    "AccessDenied",
    "AsyncClient",
    "Batch",
    "BatchPriority",
    "BatchStatus",
    "CancelOutcome",
    "Cancellation",
    "Client",
    "ClientError",
    "Conflict",
    "ErrorResponse",
    "Event",
    "File",
    "InvalidRequest",
    "InvalidSignature",
    "Job",
    "JobNotSucceeded",
    "JobRequest",
    "JobStatus",
    "JobValidation",
    "Key",
    "LimitReached",
    "Limits",
    "NewKey",
    "NewWebhookEndpoint",
    "NotFound",
    "Picture",
    "Purpose",
    "Retries",
    "Scope",
    "ServiceFailed",
    "StillRunning",
    "TenantLimits",
    "UnexpectedResponse",
    "Unreachable",
    "WebhookEndpoint",
    "WebhookEvent",
]
