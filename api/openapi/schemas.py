"""Schemas for the OpenAPI document of responses that routes build without a model."""

from typing import Self

from pydantic import BaseModel, Field

from shared.jobs.spec import Quality
from shared.models.rules import ModelDefaults
from shared.responses.openai import ImagesHead
from shared.responses.schemas import JobResponse, ReusedFrom, TextCheckResponse
from shared.store.core.durability import Durability


class JobPage(BaseModel):
    """A page of jobs. Pass `next` as `after` to get the next page."""

    data: list[JobResponse]
    has_more: bool
    next: str | None
    missing: list[str] | None = Field(
        default=None, description="the given `ids` under which there is no job; left out in a list without `ids`"
    )


class Secret(BaseModel):
    """A webhook signing secret in the format of the Standard Webhooks libraries: `whsec_` and base64."""

    secret: str


class JsonWebKeys(BaseModel):
    """A JSON Web Key Set (RFC 7517) with the public key that verifies a tenant's webhooks."""

    keys: list[dict[str, str]]


class Alive(BaseModel):
    """The response of `/healthz`, which says that the process is running."""

    status: str


class StageHealth(BaseModel):
    """The live workers of a stage and their slots. A slot has room for one picture.

    `unserved` has, for each model revision that no live worker serves, the number of pictures that wait for it.
    """

    workers: int
    slots: int
    unserved: dict[str, int] | None = Field(
        default=None, description="left out for callers without access; '' stands for any revision"
    )


class StartingWorkerResponse(BaseModel):
    """A worker that is not ready yet, and how far its start is."""

    stage: str
    phase: str = Field(description="downloading, loading or warming_up")
    done_bytes: int = Field(description="bytes that have arrived in this phase")
    total_bytes: int | None = Field(description="bytes of the whole phase; null: unknown")
    bytes_per_s: int
    left_s: int | None = Field(description="seconds until the end of this phase; null: unknown")


class Health(BaseModel):
    """The readiness of the service.

    `status` is ok, degraded or unavailable. `checks` has `ok` or an error code for each store. `intake` is ok if new
    jobs are accepted, otherwise an error code. `durability` describes what a 202 guarantees.
    """

    status: str
    checks: dict[str, str]
    intake: str
    stages: dict[str, StageHealth] | None
    access: str | None = Field(
        description="open: no API key exists yet, so none is needed; keys: an API key is needed; null: unknown"
    )
    durability: Durability
    enhance_prompt: str = Field(description="on or off")
    store_loss: str | None = Field(
        description="data that the embedded job store has lost; null: none. Callers without the scope operator see "
        "only that there is a loss"
    )
    sealing: str = Field(
        description="ok, or which processes have different sealing keys, which encrypt the secrets of tenants' "
        "buckets. Callers without the scope operator see only that keys differ"
    )
    exact_in_fp8: bool = Field(
        description="true: new jobs get pictures in FP8 in every quality, also exact (GRIDPRESS_DIT_FP8=all); their "
        "model revision ends in -fp8"
    )
    deaf: dict[str, int] = Field(
        description="by queue, the number of live workers that ask for no work although they could take some. If all "
        "workers of a queue do so, `status` is `degraded`"
    )
    stalled: list[str] = Field(
        description="stages in which no picture was claimed for 30 s, although pictures wait that live workers serve "
        "and slots are free. If there are any, `status` is `degraded`"
    )
    starting: list[StartingWorkerResponse] = Field(
        description="workers that load their model. Those that have said nothing for 15 s are left out"
    )
    paused: list[str] = Field(
        description="what operators have paused, such as `stage dit` or `class batch`. Only callers with the scope "
        "operator see paused tenants"
    )


class ImageDone(BaseModel):
    """A finished picture: its bytes in base64, or a link that expires.

    `text_check` is the result of the text check, and `reused_from` the earlier picture that was copied. Both are left
    out if the request asked for neither.
    """

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    text_check: TextCheckResponse | None = None
    reused_from: ReusedFrom | None = None


class ImagesDone(ImagesHead):
    """The pictures of a finished request, in OpenAI's format. Fields that are null are left out."""

    data: list[ImageDone]


class ModelDefaultsResponse(BaseModel):
    """The operator's defaults of a model, for fields that a request leaves out. Null: the default of the API."""

    size: str | None
    num_inference_steps: int | None
    guidance_scale: float | None
    quality: Quality | None

    @classmethod
    def of(cls, defaults: ModelDefaults) -> Self:
        return cls.model_validate(defaults.model_dump())


class ModelResponse(BaseModel):
    """A model in OpenAI's format."""

    id: str
    object: str
    created: int
    owned_by: str
    root: str = Field(description="the name of the model that `id` means; equal to `id` unless `id` is a further name")
    revision: str | None = Field(
        description="the loaded weights, as the newest worker reports them; `demo-...` is the demonstration model; "
        "null if no worker has run yet"
    )
    defaults: ModelDefaultsResponse


class ModelPage(BaseModel):
    """The list of all models, in OpenAI's format."""

    object: str
    data: list[ModelResponse]


class Zai(BaseModel):
    """The fields of an error that Z.ai's clients read, and additional fields of this service."""

    code: str = Field(description="Z.ai's error number")
    message: str
    reason: str = Field(description="the stable error code of this service")
    field: str | None
    retryable: bool


class ZaiError(BaseModel):
    """An error in Z.ai's format."""

    error: Zai
