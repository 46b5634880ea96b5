"""Prepares a re-render: the token grid of an earlier picture is decoded again with other settings of the DiT."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.errors import (
    ImageNotFound,
    ImageNotMade,
    ImageNotReady,
    InvalidRequest,
    JobNotFound,
    ObjectNotFound,
    PriorNotFound,
)
from shared.ids import TenantId
from shared.intake.checks import asked_size
from shared.intake.request import JobRequest
from shared.jobs.job import Job, PriorSource, Render
from shared.jobs.spec import PriorRef, RenderSettings
from shared.jobs.token_grid import Prior
from shared.models.catalogue import Catalogue
from shared.objects.store import ObjectStore
from shared.store.jobs.jobs import JobStore

# Settings of the DiT and of the file's encoder. A re-render may change them, because the token grid stays the same.
_OF_DECODING = (
    "num_inference_steps",
    "guidance_scale",
    "quality",
    "output_format",
    "output_quality",
    "embed_metadata",
)
# Settings from which the token grid was made. The prompt also has the quoted text, which the DiT draws.
_OF_THE_SOURCE = ("prompt", "temperature", "top_p")


@dataclass(frozen=True, slots=True)
class Source:
    """An earlier render of the same tenant, with its token grid."""

    job: Job
    render: Render
    prior: PriorSource

    @property
    def ref(self) -> PriorRef:
        return PriorRef(job_id=self.job.job_id, index=self.render.index)

    @property
    def settings(self) -> RenderSettings:
        """Returns the settings of the earlier picture, with the enhanced prompt if there is one."""
        settings = self.job.spec.settings
        return settings.model_copy(update={"prompt": self.job.revised_prompt or settings.prompt})


def source_of(request: JobRequest, tenant: TenantId, store: JobStore, objects: ObjectStore) -> Source | None:
    """Returns the earlier picture that a request names in `prior`, with its token grid. Returns None if the request
    names none.

    Raises `PriorNotFound`, `ImageNotReady`, `ImageNotMade` and `ObjectStoreUnavailable`.
    """
    if request.prior is None:
        return None
    try:
        job = store.job(request.prior.job_id, tenant)
        prior = prior_of(job, request.prior.index, store, objects)
    except (JobNotFound, ImageNotFound) as error:
        raise PriorNotFound(str(error)) from error
    return Source(job, job.renders[request.prior.index], PriorSource(prior, job.revision))


def prior_of(job: Job, index: int, store: JobStore, objects: ObjectStore) -> Prior:
    """Returns the token grid of a picture that is finished or being decoded.

    Raises `ImageNotFound`, `ImageNotReady`, `ImageNotMade` and `ObjectStoreUnavailable`.
    """
    if index >= len(job.renders):
        raise ImageNotFound(f"{job.job_id} has {len(job.renders)} images, so no image {index}")
    alive = None if job.renders[index].picture else store.prior(job.renders[index].render_id)
    if alive:
        return alive
    # The picture may have been finished since the job was read.
    render = store.job(job.job_id, job.spec.tenant).renders[index]
    if render.picture:
        try:
            return Prior.from_bytes(objects.get(render.picture.grid_key))
        except ObjectNotFound as error:
            raise ImageNotMade(f"the token grid of image {index} was deleted") from error
    if render.state.is_final:
        raise ImageNotMade(f"image {index} is {render.state}")
    raise ImageNotReady(f"image {index} has no token grid yet: it is {render.state}")


def settings_again(request: JobRequest, source: Source) -> RenderSettings:
    """Returns the settings for a re-render (a render that starts with the token grid of an earlier picture).

    The settings of the DiT and of the file come from the request, all others from the earlier picture. Raises
    `InvalidRequest` if the request changes any other setting.
    """
    for change in changes_of(request, source):
        raise change
    sent = request.model_fields_set
    return source.settings.model_copy(update={name: getattr(request, name) for name in _OF_DECODING if name in sent})


def changes_of(request: JobRequest, source: Source) -> Iterator[InvalidRequest]:
    """Yields an error for each setting of the earlier picture that a re-render would change, but can't."""
    was = source.settings
    try:
        size = asked_size(request)
    except InvalidRequest:  # `flaws` yields this error
        size = None
    if size not in (None, was.delivered_size):
        width, height = was.delivered_size
        yield InvalidRequest(f"a re-render must have the size of its prior, {width}x{height}", _size_field(request))
    if request.images:
        yield InvalidRequest("a re-render must have the images of its prior", "images")
    if request.enhance_prompt:
        yield InvalidRequest("a re-render must have the prompt of its prior", "enhance_prompt")
    for name in _OF_THE_SOURCE:
        value = getattr(request, name)
        if value not in (None, "", getattr(was, name)):
            yield InvalidRequest(f"a re-render must have the {name} of its prior", name)


def check_model_of_prior(request: JobRequest, model: str | None, catalogue: Catalogue) -> None:
    """Raises `InvalidRequest` if a re-render names another model than `model`, which is that of its prior; None stands
    for the default model. Also if the caller's API key is for other models.
    """
    own = model or catalogue.default
    if request.model is not None and catalogue.find(request.model) != catalogue.find(own):
        raise InvalidRequest(f"a re-render must have the model of its prior, {own}", "model")
    if why_not := catalogue.forbids(own):
        raise InvalidRequest(why_not, "model")


def _size_field(request: JobRequest) -> str:
    return "size" if request.size is not None else "width"
