"""From a request to a job: limits, sizes, condition images. A refused request leaves nothing behind."""

import hashlib
import secrets
from datetime import UTC, datetime

from api.body import Body
from api.condition_images import condition_images
from api.schemas import JobRequest, WebhookEvent
from shared.egress.errors import EgressRefused
from shared.egress.images import ImageFetcher
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest
from shared.geometry import MAX_SIDE_PX, MIN_SIDE_PX, SIZE_MULTIPLE_PX, check_size
from shared.ids import ObjectKey, TenantId
from shared.images import normalise, size_px
from shared.jobs import JobSpec, RenderSettings
from shared.objects import ObjectStore
from shared.settings import Settings

_DEFAULT_SIZE = (1024, 1024)
_DRAWN_SEED_LIMIT = 2**31  # every other tool takes these; callers may send up to 2^53 - 1

# Asked for and given under the same names.
_RENDER_FIELDS = (
    "prompt",
    "num_inference_steps",
    "guidance_scale",
    "quality",
    "temperature",
    "top_p",
    "output_format",
    "output_quality",
    "embed_metadata",
)


def job_spec(body: Body, tenant: TenantId, settings: Settings, objects: ObjectStore, fetcher: ImageFetcher) -> JobSpec:
    """What will be rendered. Condition images are stored last, once everything else has been accepted.

    Raises `InvalidRequest`, `InvalidImage` and `ObjectStoreUnavailable`.
    """
    request = body.request
    _check_limits(request, settings)
    _check_webhook(request, settings)
    size = _asked_size(request)
    images = [
        normalise(data, max_pixels=settings.max_image_pixels, field=f"images[{index}]")
        for index, data in enumerate(condition_images(body, settings.max_images, fetcher))
    ]
    width, height = size or (output_size(*size_px(images[0])) if images else _DEFAULT_SIZE)
    render = RenderSettings(
        width_px=width,
        height_px=height,
        images=tuple(_store(objects, image) for image in images),
        **request.model_dump(include=set(_RENDER_FIELDS)),
    )
    return JobSpec(
        settings=render,
        tenant=tenant,
        n=request.n,
        seed=secrets.randbelow(_DRAWN_SEED_LIMIT) if request.seed is None else request.seed,
        priority=request.priority,
        partial_images=request.partial_images,
        start_timeout_s=request.start_timeout_s,
        execution_timeout_s=request.execution_timeout_s,
        deadline=request.deadline,
        metadata=request.metadata,
        webhook_url=request.webhook_url,
        webhook_events=_webhook_events(request),
        webhook_secret=request.webhook_secret,
    )


def output_size(width_px: int, height_px: int) -> tuple[int, int]:
    """The size of an edit that asks for none: its first image's, to the nearest sides that the model can render."""

    def fit(side_px: int) -> int:
        rounded = round(side_px / SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX
        return min(max(rounded, MIN_SIDE_PX), MAX_SIDE_PX)

    return fit(width_px), fit(height_px)


def _check_limits(request: JobRequest, settings: Settings) -> None:
    for field, value, limit in (
        ("n", request.n, settings.max_n),
        ("num_inference_steps", request.num_inference_steps, settings.max_inference_steps),
    ):
        if value > limit:
            raise InvalidRequest(f"{field} must be at most {limit}, not {value}", field)
    if request.deadline is not None and request.deadline <= datetime.now(UTC):
        raise InvalidRequest("deadline has passed", "deadline")
    if len(request.prompt) > settings.max_prompt_chars:
        too_long = f"prompt has {len(request.prompt)} characters, more than {settings.max_prompt_chars}"
        raise InvalidRequest(too_long, "prompt")


def _check_webhook(request: JobRequest, settings: Settings) -> None:
    if request.webhook_url is not None:
        _check_receiver(request.webhook_url, settings)
        return
    for field in ("webhook_events", "webhook_secret"):
        if getattr(request, field) is not None:
            raise InvalidRequest(f"{field} is of no use without webhook_url", field)


def _check_receiver(url: str, settings: Settings) -> None:
    """As far as can be said without resolving its name; whoever delivers checks the addresses."""
    try:
        EgressRules.of(settings).target(url)
    except EgressRefused as error:
        raise InvalidRequest(f"webhook_url can't be used: {error}", "webhook_url") from error


def _webhook_events(request: JobRequest) -> tuple[str, ...]:
    """Written out, so that a job keeps what it was promised when there is one more kind of end."""
    if request.webhook_url is None:
        return ()
    return tuple(dict.fromkeys(request.webhook_events or WebhookEvent))


def _asked_size(request: JobRequest) -> tuple[int, int] | None:
    width, height = request.width, request.height
    if request.size is not None:
        if width is not None or height is not None:
            raise InvalidRequest("give either size or width and height", "size")
        width, height = map(int, request.size.split("x"))
    if width is None and height is None:
        return None
    if width is None or height is None:
        missing = "width" if width is None else "height"
        raise InvalidRequest(f"{missing} is missing: width and height go together", missing)
    try:
        check_size(width, height)
    except InvalidRequest as error:
        raise InvalidRequest(str(error), "size" if request.size is not None else error.field) from error
    return width, height


def _store(objects: ObjectStore, png: bytes) -> ObjectKey:
    """Named by its content: the same picture again costs one object, and a retry finds what it stored before."""
    key = ObjectKey(f"inputs/{hashlib.sha256(png).hexdigest()}.png")
    objects.put(key, png, "image/png")
    return key
