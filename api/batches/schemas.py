"""Schemas of the requests about batches, in OpenAI's format with additional fields."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.batches.order import WHAT_FINISH_BY, WHAT_PRIORITY, PriorityField, check_finish_by
from api.files.schemas import ExpiresAfter
from shared.batches.batch import BatchId, BatchPriority, BatchSpec, Defaults, Endpoint, Precedence
from shared.egress.rules import EgressRules
from shared.files import FileId
from shared.ids import TenantId
from shared.intake.types import LONGEST_KEPT_S, MetadataKey, MetadataValue, SigningKey, Text, Time
from shared.jobs.spec import SEED_LIMIT
from shared.settings.settings import Settings
from shared.webhooks.events import BATCH_ENDS, BatchEventType, PayloadStyle
from shared.webhooks.receivers import check_own_receiver

_WINDOW = re.compile(r"([1-9][0-9]{0,2})([hd])")
_UNIT_S = {"h": 3600, "d": 24 * 3600}
_LONGEST_WINDOW_S = 30 * 24 * 3600
_PREFIX = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*/?$")

BatchIdText = Annotated[BatchId, Field(pattern=r"^batch_[0-9a-z]{26}$", examples=["batch_01ke6q8v3c9t0n5w7x2z4b6d8f"])]


def _window_s(text: str) -> int | None:
    found = _WINDOW.fullmatch(text)
    return int(found[1]) * _UNIT_S[found[2]] if found else None


def _window(text: str) -> str:
    seconds = _window_s(text)
    if seconds is None or seconds > _LONGEST_WINDOW_S:
        raise PydanticCustomError("window", "must be a number of hours or days, at most 30 days, such as 24h or 7d")
    return text


def _without_slash(prefix: str) -> str:
    if not _PREFIX.fullmatch(prefix):
        raise PydanticCustomError(
            "output_prefix",
            "must be names joined by /, such as catalogue/spring. A name has A-Z a-z 0-9 _ . - and begins with a "
            "letter, a digit or _",
        )
    return prefix.removesuffix("/")


class DefaultsRequest(BaseModel):
    """Default values of a batch for fields that its lines leave out.

    The same rules apply as in the requests of the batch's `endpoint`.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: Text | None = None
    size: Text | None = None
    n: int | None = Field(default=None, ge=1)
    num_inference_steps: int | None = Field(default=None, ge=1)
    guidance_scale: float | None = None
    quality: Text | None = None
    output_format: Text | None = None
    reuse: bool | None = Field(default=None, description="true: lines may be answered with your earlier pictures")
    seed: int | None = Field(
        default=None, ge=0, lt=SEED_LIMIT, description="the seed of the first line; each further line adds one"
    )


class BatchRequest(BaseModel):
    """A request to create a batch from an input file. Each line of the file is a request for pictures."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input_file_id: Annotated[
        FileId, Field(pattern=r"^file-[0-9a-z]{26}$", examples=["file-01ke6q8v3c9t0n5w7x2z4b6d8f"])
    ] = Field(description="the id of an uploaded file with the purpose batch")
    endpoint: Endpoint = Field(description="the route whose requests all lines contain")
    completion_window: Annotated[Text, AfterValidator(_window)] = Field(
        description="24h, or another number of hours (h) or days (d), at most 30 days. Lines that are not finished "
        "within that time expire",
        examples=["24h"],
        json_schema_extra={"pattern": "^(([1-9][0-9]?|[1-6][0-9]{2}|7[01][0-9]|720)h|([1-9]|[12][0-9]|30)d)$"},
    )
    metadata: dict[MetadataKey, MetadataValue] | None = Field(default=None, max_length=16)
    output_expires_after: ExpiresAfter | None = Field(
        default=None,
        description="the lifetime of the output file and the error file. Default: they stay until they are deleted",
    )
    defaults: DefaultsRequest = DefaultsRequest()
    priority: PriorityField = Field(default=BatchPriority.BATCH, description=WHAT_PRIORITY)
    finish_by: Time | None = Field(default=None, description=WHAT_FINISH_BY)
    strict: bool = Field(default=False, description="if true, one line that can't be rendered fails the whole batch")
    deadline: Time | None = Field(default=None, description="the time at which all unfinished lines expire; RFC 3339")
    dry_run: bool = Field(
        default=False,
        description="if true, create no batch. Return the lines that would fail, the cost of the others and the "
        "expected end. Nothing is stored, and no Idempotency-Key is used up",
    )
    retry_of: BatchIdText | None = Field(
        default=None,
        description="the id of an earlier batch. Only its lines that failed, expired or were cancelled are rendered "
        "again",
    )
    delete_after_s: int | None = Field(
        default=None,
        ge=3600,
        le=LONGEST_KEPT_S,
        description="seconds after the end of the batch at which it is deleted with its pictures, as by DELETE. "
        "Default: its record is purged after the retention of the service, and its files and pictures stay",
    )
    output_prefix: Annotated[Text, AfterValidator(_without_slash)] | None = Field(
        default=None,
        max_length=200,
        description="folders of your own in the object store, such as catalogue/spring. Each finished picture is also "
        "copied to outputs/TENANT/OUTPUT_PREFIX/BATCH/, under a name made of its `custom_id`",
        examples=["catalogue/spring"],
        json_schema_extra={"pattern": _PREFIX.pattern},
    )
    webhook_url: Text | None = Field(
        default=None, description="a URL that gets a webhook when the batch ends, or for the events in `webhook_events`"
    )
    webhook_events: list[BatchEventType] | None = Field(
        default=None,
        min_length=1,
        max_length=len(get_args(BatchEventType)),
        description="the events to report; default: every way in which a batch can end",
    )
    webhook_payload: Annotated[PayloadStyle, Field(strict=False)] | None = Field(
        default=None,
        description="full, the default: webhooks contain the batch's id, status and counts; thin: only the id",
    )
    webhook_secret: SigningKey | None = Field(
        default=None,
        repr=False,
        description="whsec_ and base64: signs the webhooks of this batch instead of the tenant's secret. Responses "
        "never contain it",
        json_schema_extra={"writeOnly": True},
    )

    def check(self, settings: Settings, rules: EgressRules) -> None:
        """Checks the webhook fields and `finish_by` of a batch request. Raises `InvalidRequest`."""
        check_finish_by(self.finish_by)
        beside = {name: getattr(self, name) for name in ("webhook_events", "webhook_payload", "webhook_secret")}
        check_own_receiver(self.webhook_url, "webhook_url", beside, rules)

    @property
    def precedence(self) -> Precedence:
        return Precedence(self.priority, self.finish_by)

    def spec(self, tenant: TenantId, models: tuple[str, ...] = ()) -> BatchSpec:
        """Returns the batch as it is stored. `models` are those to which the caller's API key is restricted."""
        window_s = _window_s(self.completion_window)
        assert window_s
        return BatchSpec(
            tenant=tenant,
            input_file_id=self.input_file_id,
            endpoint=self.endpoint,
            window=self.completion_window,
            window_s=window_s,
            metadata=self.metadata or {},
            defaults=Defaults(**self.defaults.model_dump()),
            priority=self.priority.scheduling_class,
            strict=self.strict,
            deadline=self.deadline,
            output_lifetime_s=self.output_expires_after.seconds if self.output_expires_after else None,
            delete_after_s=self.delete_after_s,
            retry_of=self.retry_of,
            output_prefix=self.output_prefix,
            models=models,
            webhook_url=self.webhook_url,
            webhook_events=tuple(dict.fromkeys(self.webhook_events or BATCH_ENDS)) if self.webhook_url else (),
            webhook_payload=self.webhook_payload or PayloadStyle.FULL,
            webhook_secret=self.webhook_secret,
        )


class BatchQuery(BaseModel):
    """The query parameters of a list of batches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: BatchIdText | None = Field(default=None, description="`last_id` of the previous page")


class ResultsQuery(BaseModel):
    """The query parameters of a list of a batch's results."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=100, ge=1, le=1000)
    after: Annotated[str, Field(pattern=r"^[0-9]{1,9}-[0-9]{1,9}$", examples=["0-99"])] | None = Field(
        default=None, description="`last_id` of the previous page"
    )


class ArchiveQuery(BaseModel):
    """The query parameter of a batch's archive: its format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["tar", "zip"] = "tar"
