"""Routes with which operators read and set what counts for a model: defaults, a canary share, whether requests wait."""

from typing import Annotated, Any, Self

from flask import Blueprint
from pydantic import BaseModel, ConfigDict, Field

from api.bodies.documents import body_document
from api.edge import audit
from api.openapi.schemas import ModelDefaultsResponse
from api.operators.requeue import RevisionName
from api.services import services
from shared.errors import InvalidRequest
from shared.geometry import check_size, parse_size
from shared.ids import Revision
from shared.intake.fields import validated
from shared.intake.types import Size
from shared.jobs.spec import Quality
from shared.models.catalogue import Catalogue, ServedRevision
from shared.models.routes import is_stand_in
from shared.models.rules import Canary, ModelDefaults, ModelRules
from shared.settings.model_names import read_model_names

model_rules = Blueprint("model_rules", __name__, url_prefix="/v1/model_rules")


class CanaryFields(BaseModel):
    """The share of the new jobs of a model that goes to a revision on trial."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    revision: RevisionName = Field(description="the revision on trial; its workers may start later")
    percent: float = Field(gt=0, le=100, allow_inf_nan=False, description="percent of the new jobs")


class DefaultsFields(BaseModel):
    """Values for fields that a request for the model leaves out. Null: the default of the API."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    size: Size | None = None
    num_inference_steps: int | None = Field(default=None, ge=1)
    guidance_scale: float | None = Field(default=None, ge=0, le=20, allow_inf_nan=False)
    quality: Annotated[Quality, Field(strict=False)] | None = None


class ModelRulesRequest(BaseModel):
    """The body of a request that changes what counts for a model. A field that is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    canary: CanaryFields | None = Field(default=None, description="null ends the share")
    defaults: DefaultsFields | None = Field(default=None, description="changes those that it has; null removes all")
    waits: bool = Field(
        default=False, description="accept requests while no worker serves the model; the default model always does so"
    )


class RevisionResponse(BaseModel):
    """A revision of a model that AR workers serve. `num_workers` leaves out drained workers."""

    revision: str
    num_workers: int
    is_paused: bool

    @classmethod
    def of(cls, served: ServedRevision) -> Self:
        return cls(revision=served.revision, num_workers=served.num_workers, is_paused=served.is_paused)


class ModelRulesResponse(BaseModel):
    """A model with its revisions, and what operators have set for it."""

    model: str
    is_default: bool = Field(description="whether requests that name no model are for this one")
    main_revision: str | None = Field(
        description="the revision that new jobs outside the canary share go to; null if none is known, or while the "
        "service has one model without rules, whose jobs go to the revision of the newest worker"
    )
    revisions: list[RevisionResponse]
    canary: CanaryFields | None
    defaults: ModelDefaultsResponse
    waits: bool

    @classmethod
    def of(cls, catalogue: Catalogue, name: str) -> Self:
        is_default = catalogue.key(name) == catalogue.key(catalogue.default)
        rules = catalogue.rules.get(catalogue.key(name), ModelRules(name=name))
        main = catalogue.main_revision(None if is_default else name)
        return cls(
            model=name,
            is_default=is_default,
            main_revision=None if is_stand_in(main) else main or None,
            revisions=[RevisionResponse.of(each) for each in catalogue.revisions_of(name)],
            canary=CanaryFields(**rules.canary.model_dump()) if rules.canary else None,
            defaults=ModelDefaultsResponse.of(rules.defaults),
            waits=rules.waits,
        )


class ModelRulesPage(BaseModel):
    """All models: the default first, and the others sorted by name."""

    data: list[ModelRulesResponse]


@model_rules.get("")
def index() -> dict[str, Any]:
    """Returns all models with their revisions, and what operators have set for them."""
    found = services().catalogue
    ruled = [each.name for each in found.rules.values() if found.key(each.name) != found.key(found.default)]
    names = {found.key(name): name for name in (*ruled, *found.further)}
    data = [ModelRulesResponse.of(found, name) for name in (found.default, *sorted(names.values()))]
    return ModelRulesPage(data=data).model_dump(mode="json")


@model_rules.patch("/<path:model>")
def change(model: str) -> dict[str, Any]:
    """Changes what counts for a model, and returns all of it. It counts for new jobs, within a second.

    A canary share gives some percent of the new jobs to a revision on trial, by the id of the job. It holds while
    workers serve this revision and another one. Defaults fill in what a request leaves out. The model may be one whose
    workers start later. Needs the scope `operator` as well.
    """
    asked, deps = validated(ModelRulesRequest, body_document().value), services()
    found = deps.catalogue
    name = _name(found, model)
    before = found.rules.get(found.key(name), ModelRules(name=name))
    changes = {field: getattr(asked, field) for field in asked.model_fields_set}
    audit.note(model=name, **{field: str(asked.model_dump(mode="json")[field]) for field in sorted(changes)})
    if "canary" in changes:
        changes["canary"] = _canary(found, name, asked.canary)
    if "defaults" in changes:
        changes["defaults"] = _defaults(before.defaults, asked.defaults, deps.settings.max_inference_steps)
    rules = before.model_copy(update={**changes, "name": name})
    if rules == ModelRules(name=name):
        deps.models.remove_rules(found.key(name))
    else:
        deps.models.set_rules(rules)
    return ModelRulesResponse.of(deps.models.catalogue(found.names, is_new=True), name).model_dump(mode="json")


def _name(found: Catalogue, model: str) -> str:
    """Returns the full name of a model. A name that no worker has announced is returned unchanged.

    Raises `InvalidRequest` for a text that can be no name.
    """
    known = found.find(model)
    if known:
        return known
    try:
        [name] = read_model_names(model)
    except ValueError as error:
        raise InvalidRequest("must be a model name: 1 to 128 visible ASCII characters", "model") from error
    if "|" in name or "," in model:
        raise InvalidRequest("must be a model name without | and commas", "model")
    return next((each.name for each in found.rules.values() if found.key(each.name) == found.key(name)), name)


def _canary(found: Catalogue, name: str, asked: CanaryFields | None) -> Canary | None:
    if asked is None:
        return None
    for each in found.revisions:
        if each.revision == asked.revision and found.key(each.model) != found.key(name):
            raise InvalidRequest(f"{asked.revision} is a revision of {each.model or found.default}", "canary.revision")
    return Canary(revision=Revision(asked.revision), percent=asked.percent)


def _defaults(before: ModelDefaults, asked: DefaultsFields | None, most_steps: int) -> ModelDefaults:
    if asked is None:
        return ModelDefaults()
    if asked.num_inference_steps is not None and asked.num_inference_steps > most_steps:
        raise InvalidRequest(f"must be at most {most_steps}", "defaults.num_inference_steps")
    try:
        check_size(*parse_size(asked.size or "1024x1024"))
    except InvalidRequest as error:
        raise InvalidRequest(str(error), "defaults.size") from error
    return before.model_copy(update=asked.model_dump(include=asked.model_fields_set))
