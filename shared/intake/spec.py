"""Turns a request into a `JobSpec`, and stores its condition images. A refused request stores nothing."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.egress.images import ImageFetcher
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest
from shared.geometry import MAX_SIDE_PX, MIN_SIDE_PX, SIZE_MULTIPLE_PX, aligned_size
from shared.ids import ObjectKey, TenantId
from shared.images.decoders import Decoders
from shared.images.png_size import size_px
from shared.intake.checks import asked_size, check, flaws
from shared.intake.condition_images import ConditionImages, FileImages, Hold
from shared.intake.model_defaults import with_model_defaults
from shared.intake.request import Body, JobRequest
from shared.intake.rerender import Source, changes_of, check_model_of_prior, settings_again, source_of
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.text_check import TextCheck
from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.files.files import FileStore
from shared.store.inputs.inputs import InputStore
from shared.store.jobs.jobs import JobStore
from shared.store.models.models import ModelStore
from shared.webhooks.events import ENDS, PayloadStyle

DEFAULT_SIZE = (1024, 1024)
ANY_IMAGE = ObjectKey("inputs/any.png")  # stands for a condition image that is not stored
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
class Examined:
    """What was found in a request that creates no job: all its errors, or the settings of its pictures.

    `not_fetched` has the names of the fields with web URLs, whose images were not fetched.
    """

    errors: Sequence[InvalidRequest]
    settings: RenderSettings | None = None
    not_fetched: Sequence[str] = ()


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
    models: ModelStore
    hold: Hold = _without_limit

    @property
    def catalogue(self) -> Catalogue:
        """Returns the models that requests may name now."""
        return self.models.catalogue(ModelNames.of(self.settings))

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
        catalogue = self.catalogue
        request = with_model_defaults(body.request, catalogue)
        check(request, self.settings, self.rules)
        if source:
            settings, model = self._again(request, source), source.job.spec.model
            check_model_of_prior(request, model, catalogue)
        else:
            model = catalogue.resolve(request.model)
            settings = self._render_settings(replace(body, request=request), tenant)
        return JobSpec(
            settings=settings,
            tenant=tenant,
            n=request.n,
            seed=_seed(request, source),
            model=model,
            priority=request.priority,
            partial_images=request.partial_images,
            enhance_prompt=request.enhance_prompt,
            reuse=request.reuse,
            prior=source.ref if source else None,
            text_check=TextCheck(redraws=request.text_check.redraws) if request.text_check else None,
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

    def examined(self, body: Body, tenant: TenantId, source: Source | None) -> Examined:
        """Checks a request like `spec`, but finds all errors instead of raising the first. Stores and fetches nothing.

        `source` is the earlier picture of a re-render. Raises `ObjectStoreUnavailable`, `ServiceBusy` and
        `StoreUnavailable`.
        """
        request, catalogue, errors = body.request, self.catalogue, list[InvalidRequest]()
        try:
            request = with_model_defaults(request, catalogue)
            if source:
                check_model_of_prior(request, source.job.spec.model, catalogue)
        except InvalidRequest as error:
            errors.append(error)
        errors += flaws(request, self.settings, self.rules)
        if request.prior:
            errors += changes_of(request, source) if source else ()
            settings = self._again(request, source) if source and not errors else None
            return Examined(errors, settings)
        found = self._images_of(tenant).examined(body, self.settings.max_images)
        errors += found.errors
        if errors:
            return Examined(errors)
        # Without the sizes of all images, the cost of each is estimated (shared/schedule/cost.py).
        settings = self._settings(request, found.first_sizes)
        images = (ANY_IMAGE,) * found.num_images
        return Examined(errors, settings.model_copy(update={"images": images}), found.not_fetched)

    def _again(self, request: JobRequest, source: Source) -> RenderSettings:
        settings = settings_again(request, source)
        is_asked = "visible_mark" in request.model_fields_set
        return settings.model_copy(update={"mark": self._mark(request)}) if is_asked else settings

    def _mark(self, request: JobRequest) -> str | None:
        """Returns the text of the visible mark; None if the request asks for no mark."""
        return self.settings.mark_text if request.visible_mark else None

    def _render_settings(self, body: Body, tenant: TenantId) -> RenderSettings:
        images = self._images_of(tenant).normalised(body, self.settings.max_images)
        settings = self._settings(body.request, [size_px(image) for image in images])
        return settings.model_copy(update={"images": self._store(images, tenant)})

    def _settings(self, request: JobRequest, image_sizes: Sequence[tuple[int, int]]) -> RenderSettings:
        """Returns the settings of a request with condition images of these sizes, but without the images themselves."""
        delivered = asked_size(request) or (output_size(*image_sizes[0]) if image_sizes else DEFAULT_SIZE)
        width, height = aligned_size(*delivered)
        is_cropped = (width, height) != delivered
        return RenderSettings(
            width_px=width,
            height_px=height,
            crop_width_px=delivered[0] if is_cropped else None,
            crop_height_px=delivered[1] if is_cropped else None,
            image_sizes=tuple(image_sizes),
            mark=self._mark(request),
            **request.model_dump(include=set(_RENDER_FIELDS)),
        )

    def _images_of(self, tenant: TenantId) -> ConditionImages:
        limits = self.settings
        own = FileImages(self.files, self.objects, tenant, limits.max_fetched_bytes, limits.max_body_bytes)
        return ConditionImages(self.fetcher, own, self.decoders, self.hold)

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


def _webhook_events(request: JobRequest) -> tuple[str, ...]:
    """Returns the job's webhook events. Default events are stored with the job, so that new default events of a later
    version don't change it.
    """
    if request.webhook_url is None:
        return ()
    return tuple(dict.fromkeys(request.webhook_events or ENDS))
