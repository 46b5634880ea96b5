"""Turns a request into a `JobSpec`: checks limits and sizes, and stores condition images. A refused request stores
nothing.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.egress.images import ImageFetcher
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest
from shared.geometry import MAX_SIDE_PX, MIN_SIDE_PX, SIZE_MULTIPLE_PX, aligned_size, check_size, parse_size
from shared.ids import ObjectKey, TenantId
from shared.images.decoders import Decoders
from shared.images.png_size import size_px
from shared.intake.condition_images import ConditionImages, FileImages, Hold, check_urls
from shared.intake.request import Body, JobRequest
from shared.intake.rerender import Source, settings_again, source_of
from shared.jobs.spec import JobSpec, RenderSettings
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.files.files import FileStore
from shared.store.inputs.inputs import InputStore
from shared.store.jobs.jobs import JobStore
from shared.webhooks.events import ENDS, PayloadStyle
from shared.webhooks.receivers import check_own_receiver
from shared.wording.values import quoted

DEFAULT_SIZE = (1024, 1024)
_DRAWN_SEED_LIMIT = 2**31  # every other tool accepts seeds below this; callers may send up to 2^53 - 1

# Fields that have the same name in `JobRequest` and `RenderSettings`.
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


def _without_limit(num_bytes: int) -> None:
    """Accepts any number of bytes. This is the default of `Intake.hold`.

    Processes that handle few requests at once use it, since they need no memory limit.
    """


@dataclass(frozen=True, slots=True)
class Intake:
    """Creates job specs from requests. Calls `hold` before a request needs memory, with the number of bytes that it
    needs.

    `hold` raises `ServiceBusy` if there is no room.
    """

    settings: Settings
    rules: EgressRules
    store: JobStore
    objects: ObjectStore
    fetcher: ImageFetcher
    files: FileStore
    decoders: Decoders
    inputs: InputStore
    hold: Hold = _without_limit

    def source_of(self, request: JobRequest, tenant: TenantId) -> Source | None:
        """Returns the earlier picture that a request names in `prior`, with its token grid; None if it names none.

        Raises the errors of `shared.intake.rerender.source_of`.
        """
        return source_of(request, tenant, self.store, self.objects)

    def spec(self, body: Body, tenant: TenantId, source: Source | None = None) -> JobSpec:
        """Checks a request and returns the spec of its job. If the request is for a re-render, `source` is the earlier
        picture. A re-render decodes the token grid of that picture again.

        Condition images are stored last, after everything else was accepted. Raises `InvalidRequest`, `InvalidImage`
        and `ObjectStoreUnavailable`.
        """
        request = body.request
        check(request, self.settings, self.rules)
        settings = self._again(request, source) if source else self._render_settings(body, tenant)
        return JobSpec(
            settings=settings,
            tenant=tenant,
            n=request.n,
            seed=_seed(request, source),
            priority=request.priority,
            partial_images=request.partial_images,
            enhance_prompt=request.enhance_prompt,
            prior=source.ref if source else None,
            start_timeout_s=request.start_timeout_s,
            execution_timeout_s=request.execution_timeout_s,
            deadline=request.deadline,
            delete_after_s=request.delete_after_s,
            metadata=request.metadata,
            webhook_url=request.webhook_url,
            webhook_events=_webhook_events(request),
            webhook_payload=request.webhook_payload or PayloadStyle.FULL,
            webhook_secret=request.webhook_secret,
        )

    def _again(self, request: JobRequest, source: Source) -> RenderSettings:
        settings = settings_again(request, source, asked_size(request))
        is_asked = "visible_mark" in request.model_fields_set
        return settings.model_copy(update={"mark": self._mark(request)}) if is_asked else settings

    def _mark(self, request: JobRequest) -> str | None:
        """Returns the text of the visible mark; None if the request asks for no mark."""
        return self.settings.mark_text if request.visible_mark else None

    def _render_settings(self, body: Body, tenant: TenantId) -> RenderSettings:
        images = self._images(body, tenant)
        delivered = asked_size(body.request) or (output_size(*size_px(images[0])) if images else DEFAULT_SIZE)
        width, height = aligned_size(*delivered)
        is_cropped = (width, height) != delivered
        return RenderSettings(
            width_px=width,
            height_px=height,
            crop_width_px=delivered[0] if is_cropped else None,
            crop_height_px=delivered[1] if is_cropped else None,
            images=self._store(images, tenant),
            image_sizes=tuple(map(size_px, images)),
            mark=self._mark(body.request),
            **body.request.model_dump(include=set(_RENDER_FIELDS)),
        )

    def _images(self, body: Body, tenant: TenantId) -> list[bytes]:
        """Returns the condition images of a request as normalised PNG files. They are not stored yet."""
        limits = self.settings
        own = FileImages(self.files, self.objects, tenant, limits.max_fetched_bytes, limits.max_body_bytes)
        images = ConditionImages(self.fetcher, own, self.decoders, self.hold)
        return images.normalised(body, self.settings.max_images)

    def _store(self, images: Sequence[bytes], tenant: TenantId) -> tuple[ObjectKey, ...]:
        """Stores normalised condition images and returns the keys of their objects. Equal images of a tenant share one
        object.

        The store knows each object before it is written, so that no crash leaves an image behind for ever.
        """
        if not images:
            return ()
        keys = self.inputs.hold(tenant, [(hashlib.sha256(image).hexdigest(), len(image)) for image in images])
        for key, image in dict(zip(keys, images, strict=True)).items():
            self.objects.put(key, image, "image/png")
        return tuple(keys)


def check(request: JobRequest, settings: Settings, rules: EgressRules) -> None:
    """Checks a request for pictures, except for its images. Raises `InvalidRequest` and `InvalidImage`."""
    _check_limits(request, settings)
    _check_webhook(request, rules)
    check_urls(request.images, rules)
    _check_enhancement(request, settings)
    size = asked_size(request)
    if size and request.prior is None:
        _check_asked(request, size)


def _seed(request: JobRequest, source: Source | None) -> int:
    if request.seed is not None:
        return request.seed
    return source.render.seed if source else secrets.randbelow(_DRAWN_SEED_LIMIT)


def output_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Returns the size of an edit without a requested size: the size of its first image, rounded to one that the model
    can render.
    """

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
            raise InvalidRequest(f"{field} must be at most {limit}, not {quoted(value)}", field)
    if request.deadline is not None and request.deadline <= datetime.now(UTC):
        raise InvalidRequest("deadline has passed", "deadline")
    if len(request.prompt) > settings.max_prompt_chars:
        too_long = f"prompt has {len(request.prompt)} characters, more than {settings.max_prompt_chars}"
        raise InvalidRequest(too_long, "prompt")


def _check_enhancement(request: JobRequest, settings: Settings) -> None:
    if request.enhance_prompt and not settings.enhance_base_url:
        why = "this service can't enhance prompts: its operator has not set GRIDPRESS_ENHANCE_BASE_URL"
        raise InvalidRequest(why, "enhance_prompt")


def _check_webhook(request: JobRequest, rules: EgressRules) -> None:
    beside = {field: getattr(request, field) for field in ("webhook_events", "webhook_payload", "webhook_secret")}
    check_own_receiver(request.webhook_url, "webhook_url", beside, rules)


def _webhook_events(request: JobRequest) -> tuple[str, ...]:
    """Returns the job's webhook events. Default events are stored with the job, so that new default events of a later
    version don't change it.
    """
    if request.webhook_url is None:
        return ()
    return tuple(dict.fromkeys(request.webhook_events or ENDS))


def asked_size(request: JobRequest) -> tuple[int, int] | None:
    """Returns the requested width and height in pixels; None if no size is requested.

    Raises `InvalidRequest` if only one side is given, or both `size` and a side.
    """
    width, height = request.width, request.height
    if request.size is not None:
        if width is not None or height is not None:
            raise InvalidRequest("give either size or width and height", "size")
        width, height = parse_size(request.size)
    if width is None and height is None:
        return None
    if width is None or height is None:
        missing = "width" if width is None else "height"
        raise InvalidRequest(f"{missing} is missing: width and height go together", missing)
    return width, height


def _check_asked(request: JobRequest, size: tuple[int, int]) -> None:
    """Checks that the model can render the requested size. With `resize` in the request, the size is rounded up first.
    Raises `InvalidRequest`.
    """
    try:
        check_size(*(aligned_size(*size) if request.resize else size))
    except InvalidRequest as error:
        raise InvalidRequest(str(error), "size" if request.size is not None else error.field) from error
