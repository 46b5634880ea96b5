"""Header fields of requests and responses in the OpenAPI document."""

from api.openapi.operation import Field, Json

_WHOLE: Json = {"type": "integer", "minimum": 0}

# Of requests. Without examples: the page at /docs would send them with every request that is tried out.
PREFER = Field(
    "Prefer",
    "`wait=N` holds the answer until the job has ended, N seconds at most; `respond-async` asks for a 202 (RFC 7240)",
)
LAST_EVENT_ID = Field(
    "Last-Event-ID",
    "the id of the last event that came, such as 1767605400000-0; the stream goes on behind it. "
    "0 or empty: from the start",
    {"type": "string", "pattern": "^(0|[0-9]{1,19}-[0-9]{1,19})?$"},
)
IDEMPOTENCY_KEY = Field(
    "Idempotency-Key",
    'the same key and request act once, for 24 hours: `"8e03978e-40d5-43e8-bc93-6894a57f9324"`, with or without quotes',
    {"type": "string", "pattern": r'^("[!#-\[\]-~]{1,255}"|[!#-+\--:<-\[\]-~]{1,255})$'},
)

# Of answers.
LOCATION = Field("Location", "the job", {"type": "string", "format": "uri"})
LINK = Field("Location", "a presigned URL, which works for a while", {"type": "string", "format": "uri"})
RETRY_AFTER = Field("Retry-After", "seconds after which to ask again", _WHOLE)
PREFERENCE_APPLIED = Field("Preference-Applied", "what of `Prefer` was honoured")
REPLAYED = Field("Idempotent-Replayed", "`true`: this is the answer of an earlier request with this Idempotency-Key")
DISPOSITION = Field("Content-Disposition", "a name for the file")
GRID_ROWS = Field("Grid-Rows", "of the raw tokens", _WHOLE)
GRID_COLS = Field("Grid-Cols", "of the raw tokens", _WHOLE)
CHALLENGE = Field("WWW-Authenticate", "of RFC 6750")
RATE_LIMIT = Field("RateLimit", "what is left of the tenant's quotas (draft-ietf-httpapi-ratelimit-headers-10)")
RATE_LIMIT_POLICY = Field("RateLimit-Policy", "the tenant's quotas, where it has any")
REQUEST_ID = Field(
    "x-request-id",
    "of this request, as the log of the service names it; the one that was sent, where that is well-formed",
)
JOB_ID = Field("x-gridpress-job-id", "the job, which `/v1/jobs` knows, too")
RETRY_AFTER_MS = Field("retry-after-ms", "the same in milliseconds", _WHOLE)

QUOTAS = (RATE_LIMIT, RATE_LIMIT_POLICY)
