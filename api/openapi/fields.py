"""Describes the header fields of requests and responses for the OpenAPI document."""

from api.openapi.operation import Field, Json

_WHOLE: Json = {"type": "integer", "minimum": 0}

# Fields of requests. They have no examples, since the page at /docs would send them with every request tried there.
PREFER = Field(
    "Prefer",
    "`wait=N` delays the response until the job has ended, at most N s; `respond-async` asks for a 202 (RFC 7240)",
)
LAST_EVENT_ID = Field(
    "Last-Event-ID",
    "the id of the last event that you received, such as 1767605400000-0. The stream continues after that event. "
    "0 or empty: from the start",
    {"type": "string", "pattern": "^(0|[0-9]{1,19}-[0-9]{1,19})?$"},
)
IDEMPOTENCY_KEY = Field(
    "Idempotency-Key",
    "a repetition of the same request with the same key acts only once. Keys are valid for 24 hours. Example: "
    '`"8e03978e-40d5-43e8-bc93-6894a57f9324"`, with or without quotes',
    {"type": "string", "pattern": r'^("[!#-\[\]-~]{1,255}"|[!#-+\--:<-\[\]-~]{1,255})$'},
)

# Fields of responses.
LOCATION = Field("Location", "the URL of the job", {"type": "string", "format": "uri"})
LINK = Field("Location", "a presigned URL, which expires after some time", {"type": "string", "format": "uri"})
RETRY_AFTER = Field("Retry-After", "seconds to wait before the next request", _WHOLE)
PREFERENCE_APPLIED = Field("Preference-Applied", "the preferences of `Prefer` that were applied")
REPLAYED = Field("Idempotent-Replayed", "`true`: an earlier request with this Idempotency-Key did the work")
DISPOSITION = Field("Content-Disposition", "a name for the file")
ETAG = Field("ETag", "identifies the bytes")
ACCEPT_RANGES = Field("Accept-Ranges", "`bytes`: a request may ask for a range of bytes")
CONTENT_RANGE = Field("Content-Range", "which bytes of how many the response has")
GRID_ROWS = Field("Grid-Rows", "the number of rows of the raw tokens", _WHOLE)
GRID_COLS = Field("Grid-Cols", "the number of columns of the raw tokens", _WHOLE)
CHALLENGE = Field("WWW-Authenticate", "how to authenticate (RFC 6750)")
RATE_LIMIT = Field(
    "RateLimit", "how much of the tenant's rate limits is left (draft-ietf-httpapi-ratelimit-headers-10)"
)
RATE_LIMIT_POLICY = Field("RateLimit-Policy", "the tenant's rate limits, if it has any")
REQUEST_ID = Field(
    "x-request-id",
    "the id of this request in the log of the service: the id that you sent if it is well-formed, otherwise a new one",
)
JOB_ID = Field("x-gridpress-job-id", "the id of the job, which `/v1/jobs` also serves")
RETRY_AFTER_MS = Field("retry-after-ms", "milliseconds to wait before the next request", _WHOLE)

QUOTAS = (RATE_LIMIT, RATE_LIMIT_POLICY)
