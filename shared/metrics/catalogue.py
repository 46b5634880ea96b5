"""Declares every metric of Gridpress: name, help text, labels, buckets, and the roles that report it. Counts nothing
itself.

Each label has only a few possible values, and all of them are known beforehand. So no label contains a job, tenant,
worker id, raw path, size or URL.
"""

from importlib.metadata import PackageNotFoundError, version

from shared.metrics.declare import Section

# Seconds.
_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_HELD = (1, 5, 10, 30, 60, 120, 300, 600)
_RENDER = (0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)
_STEP = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_ATTEMPT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)

_EVERY = Section("api", "ar", "dit", "delivery", "enhance", "batch", "upkeep")
_API = Section("api")
_STAGE = Section("ar", "dit")
_AR = Section("ar")
_DIT = Section("dit")
_LISTENING = Section("ar", "dit", "delivery", "enhance", "batch")
_SANDBOXED = Section("api", "batch")
_DELIVERY = Section("delivery")
_ENHANCE = Section("enhance")
_BATCHES = Section("batch")
_UPKEEP = Section("upkeep")
_UP = Section("up")

# Every role
BUILD_INFO = _EVERY.gauge(
    "build_info", "1, with the version and the role of the process as labels", ("version", "role"), of_several="livemax"
)
OBJECT_STORE_REQUEST_SECONDS = _EVERY.histogram(
    "object_store_request_seconds", "Duration of object store requests, retries included", _REQUEST, ("operation",)
)
OBJECT_STORE_ERRORS = _EVERY.counter(
    "object_store_errors_total", "Object store requests that failed or got no response", ("operation",)
)
OBJECT_STORE_NOT_STORED = _EVERY.counter(
    "object_store_not_stored_total", "Writes that the object store accepted although it does not hold the bytes"
)
STORE_ERRORS = _EVERY.counter("store_errors_total", "Calls to the job store that failed or got no response")
BACKGROUND_FAULTS = _EVERY.counter(
    "background_faults_total", "Unexpected errors in a background thread that continued afterwards", ("thread",)
)

# API
HTTP_REQUESTS = _API.counter(
    "http_requests_total",
    "Responses by route; 'unmatched' is a path without a route, 'unread' a request that was refused before it was read",
    ("route", "method", "status"),
)
HTTP_REQUEST_SECONDS = _API.histogram(
    "http_request_duration_seconds",
    "Time from the head of a request to the end of its response, without held requests (http_held_seconds)",
    _REQUEST,
    ("route", "method"),
)
HTTP_HELD_SECONDS = _API.histogram(
    "http_held_seconds", "Duration of held requests: requests that wait for their job, and event streams", _HELD
)
HTTP_CONNECTIONS = _API.gauge("http_connections", "Open client connections")
HTTP_HELD_REQUESTS = _API.gauge(
    "http_held_requests", "Requests that wait for their job now (wait), and open event streams (stream)", ("kind",)
)
HTTP_REFUSALS = _API.counter("http_refusals_total", "Refused requests, by the error code of the response", ("code",))
JOBS_SUBMITTED = _API.counter(
    "jobs_submitted_total",
    "Accepted jobs, by API format (native, openai, zai) and priority",
    ("door", "priority"),
)
IDEMPOTENT_REPLAYS = _API.counter(
    "idempotent_replays_total", "Requests that got the stored response of an earlier one with the same Idempotency-Key"
)
SANDBOX_KILLS = _SANDBOXED.counter(
    "sandbox_kills_total",
    "Child processes that ended on a caller's image: over a limit of time or memory, or by a crash",
    ("reason",),
)

# GPU stages
RENDERS = _STAGE.counter(
    "renders_total",
    "Ended attempts: succeeded, reused, failed, handed_back, cancelled, expired, or lost (its lease ended)",
    ("stage", "outcome"),
)
RENDER_SECONDS = _STAGE.histogram(
    "render_seconds", "Time from the claim of a render until its outcome is stored", _RENDER, ("stage",)
)
ENGINE_STEP_SECONDS = _STAGE.histogram(
    "engine_step_seconds",
    "Duration of a step of the engine; in AR it decodes up to 8 tokens of each render",
    _STEP,
    ("stage",),
)
ENGINE_OCCUPANCY = _STAGE.gauge("engine_occupancy", "Share of the worker's slots that are in use, 0 to 1", ("stage",))
ENGINE_SLOTS = _STAGE.gauge("engine_slots", "Slots of this worker: the renders that it can hold at once", ("stage",))
KV_USED_RATIO = _AR.gauge("kv_used_ratio", "Share of the KV cache memory that is reserved, 0 to 1", is_known=False)
LEASES_LOST = _STAGE.counter(
    "leases_lost_total", "Leases that ended before their work: expired or taken over by another worker", ("stage",)
)
RECORD_BUFFER = _STAGE.gauge("record_buffer", "Finished renders whose outcome waits to be stored", ("stage",))
MODEL_LOAD_SECONDS = _STAGE.gauge(
    "model_load_seconds", "Time from the worker's start until its model was loaded and its device ready", ("stage",)
)
DEVICE_MEMORY_BYTES = _STAGE.gauge(
    "device_memory_bytes",
    "GPU memory by kind: total and free of the device, allocated and reserved by this process",
    ("stage", "kind"),
)
HANDOVERS = _DIT.counter(
    "handovers_total",
    "Unfinished renders by outcome: stored by a drained worker, resumed by another, not_resumed (started again)",
    ("outcome",),
)
STEPS_SAVED = _DIT.counter("handover_steps_total", "Denoise steps that resumed renders did not have to compute again")

# Workers that take hints
CONSUMER_RESTARTS = _LISTENING.counter(
    "consumer_restarts_total", "Restarts of a Celery consumer that had stopped asking for hints", ("queue",)
)
WORK_FOUND_UNASKED = _LISTENING.counter(
    "work_found_unasked_total", "Work that a worker found without a hint, because no hint arrived", ("queue",)
)

# Delivery, enhancement, batches
WEBHOOK_ATTEMPTS = _DELIVERY.counter(
    "webhook_attempts_total",
    "Webhook attempts: delivered, retry (failed, will be retried), failed (was the last), cut_short (will be retried "
    "with more time), dropped (no receiver left), late (another process took it over), unrecorded (store unreachable)",
    ("outcome",),
)
WEBHOOK_ATTEMPT_SECONDS = _DELIVERY.histogram("webhook_attempt_seconds", "Duration of a webhook attempt", _ATTEMPT)
WEBHOOK_SLOTS_USED = _DELIVERY.gauge("webhook_slots_used", "Webhook attempts in progress")
BUCKET_COPIES = _DELIVERY.counter(
    "bucket_copies_total",
    "Tries to copy a job or batch into the bucket of its tenant: copied, refused (by the bucket, will be retried), "
    "failed (can never be copied), given_up (it waited for too long, or its worker ended five times), later (the "
    "service failed, will be retried), lost (another process took it over)",
    ("outcome",),
)
BUCKET_DELETIONS = _DELIVERY.counter(
    "bucket_deletions_total",
    "Tries to delete the copy of a deleted job or batch in the bucket of its tenant: deleted, refused (by the bucket, "
    "or not all in one try; will be retried), failed (the entry can't be read), later (the worker stops, will be "
    "retried), lost (another process took it over)",
    ("outcome",),
)
CONTENT_CHECKS = _DELIVERY.counter(
    "content_checks_total",
    "Content checks by hook (prompt, picture): allowed, rejected, failed (no verdict, and the setting refuses), "
    "unchecked (no verdict, and the setting allows), lost (the job ended in the meantime)",
    ("hook", "outcome"),
)
CONTENT_CHECK_SECONDS = _DELIVERY.histogram(
    "content_check_seconds", "Duration of a content check, with all requests to the hook", _ATTEMPT, ("hook",)
)
TEXT_CHECKS = _DELIVERY.counter(
    "text_checks_total",
    "Text checks of pictures: matched (the text is right), redrawn (drawn again), best (the redraws are used up, and "
    "the best drawing is kept), unread (the text could not be read), lost (the job ended in the meantime)",
    ("outcome",),
)
TEXT_CHECK_SECONDS = _DELIVERY.histogram(
    "text_check_seconds", "Duration of a text check, in which the text of one picture is read", _ATTEMPT
)
ENHANCEMENTS = _ENHANCE.counter(
    "enhancements_total",
    "Calls to enhance a prompt: enhanced, retry (failed, will be retried), failed (the job renders its original "
    "prompt), lost (the job went on in the meantime)",
    ("outcome",),
)
BATCH_LINES = _BATCHES.counter(
    "batch_lines_total",
    "Batch lines: submitted as a job or refused; later succeeded or failed; cancelled or expired before their start",
    ("outcome",),
)

# Upkeep reads these from the store. Every upkeep process reports the same values, so queries use `max by (...)`.
STAGE_WAITING = _UPKEEP.gauge("stage_waiting", "Renders that wait for the stage", ("stage",))
STAGE_RUNNING = _UPKEEP.gauge("stage_running", "Renders that workers of the stage hold", ("stage",))
STAGE_SLOTS = _UPKEEP.gauge("stage_slots", "Slots of the stage's live workers", ("stage",))
STAGE_WORKERS = _UPKEEP.gauge("stage_workers", "Live workers of the stage", ("stage",))
STAGE_DEAF_WORKERS = _UPKEEP.gauge(
    "stage_deaf_workers", "Live workers that ask for no hints although they have a free slot", ("queue",)
)
STAGE_WANTED_WORKERS = _UPKEEP.gauge("stage_wanted_workers", "Workers that the stage needs for its work", ("stage",))
STAGE_BACKLOG_SECONDS = _UPKEEP.gauge(
    "stage_backlog_seconds", "Time that the stage's workers need for its waiting renders; absent if unknown", ("stage",)
)
UNSERVED_RENDERS = _UPKEEP.gauge(
    "unserved_renders", "Waiting renders that need a model revision that no live worker serves", ("stage", "revision")
)
TOO_LARGE_RENDERS = _UPKEEP.gauge(
    "too_large_renders",
    "Waiting renders that are too large for every live worker of the stage",
    ("stage", "size_class"),
)
OLDEST_WAIT_SECONDS = _UPKEEP.gauge("oldest_wait_seconds", "Time that the oldest waiting render has waited", ("stage",))
STAGE_STALLED = _UPKEEP.gauge("stage_stalled", "1 while work waits although slots have been free for long", ("stage",))
PAUSES = _UPKEEP.gauge("pauses", "What operators have paused: stage, class, tenant or revision", ("kind",))
DELIVERIES_DUE = _UPKEEP.gauge("deliveries_due", "Webhook deliveries whose next attempt is due", is_known=False)
DELIVERY_OLDEST_DUE_SECONDS = _UPKEEP.gauge(
    "delivery_oldest_due_seconds", "Time for which the oldest due webhook delivery has been due", is_known=False
)
DEAD_LETTERS = _UPKEEP.gauge(
    "dead_letters", "Stored dead letters: renders that failed because they crashed their workers", is_known=False
)
BATCHES_OPEN = _UPKEEP.gauge("batches_open", "Batches that have not ended", is_known=False)
BUCKETS_REFUSING = _UPKEEP.gauge(
    "buckets_refusing", "Tenants whose own bucket refused the last try, while copies or deletions wait", is_known=False
)
STORE_USED_BYTES = _UPKEEP.gauge("store_used_bytes", "Memory that the job store uses", is_known=False)
STORE_MAX_BYTES = _UPKEEP.gauge("store_max_bytes", "Memory that the job store may use", is_known=False)
OBJECT_STORE_WRITABLE = _UPKEEP.gauge(
    "object_store_writable", "1 while test writes to the object store succeed, else 0", is_known=False
)
STORE_LOSSES = _UPKEEP.counter("store_losses_total", "Detected cases in which the job store lost accepted data")
UPKEEP_LAST_TICK = _UPKEEP.gauge(
    "upkeep_last_tick_timestamp_seconds", "Unix time at which upkeep last finished a tick", is_known=False
)
UPKEEP_RESCUED = _UPKEEP.counter(
    "upkeep_rescued_total", "Renders that upkeep put back into the queue because the lease of their worker had expired"
)

# The combined page of `gridpress up`
_UP.outside("role_up", "1 if the metrics page of the role could be read, else 0", ("role",))


def set_build_info(role: str) -> None:
    """Sets the metric `gridpress_build_info` of this process."""
    try:
        known = version("gridpress")
    except PackageNotFoundError:  # a source checkout without an installed package
        known = "unknown"
    BUILD_INFO.labels(known, role).set(1)
