"""Every metric of Gridpress, declared once: name, help, labels, buckets and the roles that show it. Counts nothing.

A label has few values, known beforehand: never a job, a tenant, a worker's id, a raw path, a size or a URL.
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
    "build_info", "1, with the version and the role of the process", ("version", "role"), of_several="livemax"
)
OBJECT_STORE_REQUEST_SECONDS = _EVERY.histogram(
    "object_store_request_seconds", "Requests to the object store, with their retries", _REQUEST, ("operation",)
)
OBJECT_STORE_ERRORS = _EVERY.counter(
    "object_store_errors_total", "Requests that the object store failed or did not answer", ("operation",)
)
OBJECT_STORE_NOT_STORED = _EVERY.counter(
    "object_store_not_stored_total", "Writes that the object store accepted, though it does not hold the bytes"
)
STORE_ERRORS = _EVERY.counter("store_errors_total", "Calls that the job store refused or did not answer")
BACKGROUND_FAULTS = _EVERY.counter(
    "background_faults_total", "Unexpected errors that a background thread survived", ("thread",)
)

# API
HTTP_REQUESTS = _API.counter(
    "http_requests_total",
    "Responses, by URL rule; 'unmatched' for a path without one, 'unread' for a request that was refused unread",
    ("route", "method", "status"),
)
HTTP_REQUEST_SECONDS = _API.histogram(
    "http_request_duration_seconds",
    "From a request's head to the end of its response, without what was held",
    _REQUEST,
    ("route", "method"),
)
HTTP_HELD_SECONDS = _API.histogram(
    "http_held_seconds", "Requests that waited for their job, and event streams: from head to end", _HELD
)
HTTP_CONNECTIONS = _API.gauge("http_connections", "Open connections of clients")
HTTP_HELD_REQUESTS = _API.gauge(
    "http_held_requests", "Requests that wait for their job (wait), and open event streams (stream)", ("kind",)
)
HTTP_REFUSALS = _API.counter("http_refusals_total", "Requests refused, by the code in the response", ("code",))
JOBS_SUBMITTED = _API.counter(
    "jobs_submitted_total",
    "Jobs accepted, by the API that took them (native, openai, zai)",
    ("door", "priority"),
)
IDEMPOTENT_REPLAYS = _API.counter(
    "idempotent_replays_total", "Requests answered with the kept response of an earlier one with the same key"
)
SANDBOX_KILLS = _SANDBOXED.counter(
    "sandbox_kills_total",
    "Child processes that were killed over what a caller sent (time, memory) or ended over it (crash)",
    ("reason",),
)

# GPU stages
RENDERS = _STAGE.counter(
    "renders_total",
    "Attempts that ended: succeeded, failed, handed_back to the queue, cancelled, expired, or lost to another worker",
    ("stage", "outcome"),
)
RENDER_SECONDS = _STAGE.histogram(
    "render_seconds", "From the claim of a render until its outcome is recorded", _RENDER, ("stage",)
)
ENGINE_STEP_SECONDS = _STAGE.histogram("engine_step_seconds", "Steps of the engine", _STEP, ("stage",))
ENGINE_OCCUPANCY = _STAGE.gauge("engine_occupancy", "Share of the slots that are in use, 0 to 1", ("stage",))
ENGINE_SLOTS = _STAGE.gauge("engine_slots", "Renders that this worker computes at once, at most", ("stage",))
KV_USED_RATIO = _AR.gauge("kv_used_ratio", "Share of the KV memory that is booked, 0 to 1", is_known=False)
LEASES_LOST = _STAGE.counter(
    "leases_lost_total", "Leases that ended before their work did: taken over or expired", ("stage",)
)
RECORD_BUFFER = _STAGE.gauge("record_buffer", "Outcomes that wait to be stored", ("stage",))
MODEL_LOAD_SECONDS = _STAGE.gauge(
    "model_load_seconds", "Time from the start until the model was loaded and its device ready", ("stage",)
)
DEVICE_MEMORY_BYTES = _STAGE.gauge(
    "device_memory_bytes",
    "GPU memory: total and free of the device; allocated and reserved by this process",
    ("stage", "kind"),
)
HANDOVERS = _DIT.counter(
    "handovers_total",
    "Unfinished renders that a drained worker stored; then resumed by another, or not_resumed: begun again",
    ("outcome",),
)
STEPS_SAVED = _DIT.counter("handover_steps_total", "Denoise steps of resumed renders that were not computed again")

# Workers that take hints
CONSUMER_RESTARTS = _LISTENING.counter(
    "consumer_restarts_total", "Restarts of a consumer that had stopped asking for hints", ("queue",)
)
WORK_FOUND_UNASKED = _LISTENING.counter(
    "work_found_unasked_total", "Work that was found without a hint, since hints failed to come", ("queue",)
)

# Delivery, enhancement, batches
WEBHOOK_ATTEMPTS = _DELIVERY.counter(
    "webhook_attempts_total",
    "Attempts: delivered, retry (failed, comes again), failed (was the last), cut_short (comes again with "
    "more time), dropped (no receiver any more), late (another process had it meanwhile), unrecorded (no job store)",
    ("outcome",),
)
WEBHOOK_ATTEMPT_SECONDS = _DELIVERY.histogram("webhook_attempt_seconds", "Calls of receivers", _ATTEMPT)
WEBHOOK_SLOTS_USED = _DELIVERY.gauge("webhook_slots_used", "Attempts under way")
ENHANCEMENTS = _ENHANCE.counter(
    "enhancements_total",
    "Calls for a prompt: enhanced, retry (failed, comes again), failed (the job renders its own prompt), lost (the job "
    "went on meanwhile)",
    ("outcome",),
)
BATCH_LINES = _BATCHES.counter(
    "batch_lines_total",
    "Lines of batches: submitted as jobs or refused; then succeeded, failed, or never begun: cancelled, expired",
    ("outcome",),
)

# Upkeep, from the store: every upkeep shows the same, so queries take `max by (...)`
STAGE_WAITING = _UPKEEP.gauge("stage_waiting", "Renders that wait for a worker of the stage", ("stage",))
STAGE_RUNNING = _UPKEEP.gauge("stage_running", "Renders under way in the stage", ("stage",))
STAGE_SLOTS = _UPKEEP.gauge("stage_slots", "Slots of the stage's live workers", ("stage",))
STAGE_WORKERS = _UPKEEP.gauge("stage_workers", "Live workers of the stage", ("stage",))
STAGE_DEAF_WORKERS = _UPKEEP.gauge(
    "stage_deaf_workers", "Live workers that ask for no hint though they have room", ("queue",)
)
STAGE_WANTED_WORKERS = _UPKEEP.gauge("stage_wanted_workers", "Workers that the stage's work asks for", ("stage",))
STAGE_BACKLOG_SECONDS = _UPKEEP.gauge(
    "stage_backlog_seconds", "Time that the stage's workers need for what waits; absent while unknown", ("stage",)
)
UNSERVED_RENDERS = _UPKEEP.gauge(
    "unserved_renders", "Waiting renders pinned to a model revision that no live worker serves", ("stage", "revision")
)
OLDEST_WAIT_SECONDS = _UPKEEP.gauge("oldest_wait_seconds", "Age of the render that waits longest", ("stage",))
STAGE_STALLED = _UPKEEP.gauge("stage_stalled", "1 while work waits though slots have long been free", ("stage",))
DELIVERIES_DUE = _UPKEEP.gauge("deliveries_due", "Webhooks whose time has come", is_known=False)
DELIVERY_OLDEST_DUE_SECONDS = _UPKEEP.gauge(
    "delivery_oldest_due_seconds", "How long the oldest of the due webhooks has been due", is_known=False
)
DEAD_LETTERS = _UPKEEP.gauge(
    "dead_letters", "Renders that were given up because they killed their workers, and are kept", is_known=False
)
BATCHES_OPEN = _UPKEEP.gauge("batches_open", "Batches that have not ended", is_known=False)
STORE_USED_BYTES = _UPKEEP.gauge("store_used_bytes", "Memory of the job store in use", is_known=False)
STORE_MAX_BYTES = _UPKEEP.gauge("store_max_bytes", "Memory that the job store may use", is_known=False)
OBJECT_STORE_WRITABLE = _UPKEEP.gauge(
    "object_store_writable", "1 while test writes to the object store succeed, else 0", is_known=False
)
STORE_LOSSES = _UPKEEP.counter("store_losses_total", "Times that the job store was seen to have lost what it accepted")
UPKEEP_LAST_TICK = _UPKEEP.gauge(
    "upkeep_last_tick_timestamp_seconds", "When upkeep last finished its work, in Unix time", is_known=False
)
UPKEEP_RESCUED = _UPKEEP.counter(
    "upkeep_rescued_total", "Renders taken from workers that lost their lease, back to the queue"
)

# The combined page of `gridpress up`
_UP.outside("role_up", "1 if the role's own page was read, else 0", ("role",))


def tell_build(role: str) -> None:
    """Sets `gridpress_build_info` of this process."""
    try:
        known = version("gridpress")
    except PackageNotFoundError:  # a checkout that was never installed
        known = "unknown"
    BUILD_INFO.labels(known, role).set(1)
