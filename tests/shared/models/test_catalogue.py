"""Which names mean which model, and to which revision a new job goes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.ids import JobId, Revision
from shared.models.catalogue import Catalogue, ServedRevision
from shared.models.names import ModelNames
from shared.models.routes import is_stand_in
from shared.models.rules import Canary, ModelRules
from shared.settings.settings import Settings

GLM, PAINTER = "zai-org/GLM-Image", "acme/Painter"
NAMES = ModelNames.of(Settings(model_aliases="dall-e-3"))
JOBS = [JobId(f"job_{number}") for number in range(400)]
A, B, P = Revision("a"), Revision("b"), Revision("p")


def served(revision: Revision, model: str = GLM, num: int = 1, *, is_paused: bool = False) -> ServedRevision:
    return ServedRevision(revision, model, num, is_paused)


def catalogue(*revisions: ServedRevision, rules: tuple[ModelRules, ...] = (), **newest: str) -> Catalogue:
    """What the store says when workers serve these revisions; `newest` has them by the names `glm` and `painter`."""
    of = {"glm": GLM.lower(), "painter": PAINTER.lower()}
    text = {
        "announced": sorted({each.model for each in revisions if each.model}),
        "revisions": [
            {name: getattr(each, name) for name in ("revision", "model", "num_workers", "is_paused")}
            for each in revisions
        ],
        "newest": {of[name]: revision for name, revision in newest.items()},
        "rules": {each.name.lower(): each.model_dump_json() for each in rules},
    }
    return Catalogue.parse(json.dumps(text), NAMES)


def routes(found: Catalogue, model: str | None = None) -> list[Revision]:
    return [found.route(model, job).revision for job in JOBS]


def test_without_a_second_model_and_rules_the_store_decides() -> None:
    for found in (
        catalogue(),
        catalogue(served(A)),
        catalogue(served(A, ""), served(B, "")),
        catalogue(served(P, PAINTER)),
    ):
        assert routes(found) == [""] * len(JOBS)


def test_each_model_has_its_own_revision() -> None:
    found = catalogue(served(A), served(P, PAINTER), glm=A, painter=P)
    assert set(routes(found)) == {A}
    assert set(routes(found, PAINTER)) == {P}
    assert (found.default, found.further) == (GLM, [PAINTER])


@pytest.mark.parametrize(
    ("name", "model"),
    [
        (None, GLM),
        ("glm-image", GLM),
        ("DALL-E-3", GLM),
        ("ACME/painter", PAINTER),
        ("painter", PAINTER),
        ("flux", None),
    ],
)
def test_a_name_means_one_model(name: str | None, model: str | None) -> None:
    assert catalogue(served(A), served(P, PAINTER)).find(name) == model


def test_a_short_name_that_two_models_have_means_none() -> None:
    found = catalogue(served(A), served(P, PAINTER), served(B, "globex/painter"))
    assert (found.find("painter"), found.find("globex/painter")) == (None, "globex/painter")


def test_an_unknown_model_is_refused_with_the_names_that_are_served() -> None:
    with pytest.raises(InvalidRequest, match=r"flux.*dall-e-3, acme/Painter") as caught:
        catalogue(served(A), served(P, PAINTER)).resolve("flux")
    assert caught.value.field == "model"


def test_a_model_without_workers_is_served_only_if_its_requests_may_wait() -> None:
    assert catalogue(rules=(ModelRules(name=PAINTER),)).find(PAINTER) is None
    found = catalogue(served(A), rules=(ModelRules(name=PAINTER, waits=True),), glm=A)
    assert found.resolve(PAINTER) == PAINTER
    assert is_stand_in(found.route(PAINTER, JOBS[0]).revision)
    assert set(routes(found)) == {A}


def test_jobs_wait_for_the_last_revision_while_its_workers_restart() -> None:
    found = catalogue(served(P, PAINTER), glm=A, painter=P)
    assert set(routes(found)) == {A}


def test_without_a_name_several_other_models_are_no_choice() -> None:
    found = catalogue(served(P, PAINTER), served(B, "globex/brush"))
    with pytest.raises(InvalidRequest, match=r"name one of acme/Painter, globex/brush"):
        found.resolve(None)
    assert found.usable == [PAINTER, "globex/brush"]


def test_workers_of_an_earlier_release_serve_the_default_model() -> None:
    found = catalogue(served(A, ""), served(P, PAINTER), painter=P)
    assert set(routes(found)) == {A}


def test_work_goes_to_the_newest_revision_that_is_neither_paused_nor_without_workers() -> None:
    rules = (ModelRules(name=GLM),)
    assert set(routes(catalogue(served(A), served(B), rules=rules, glm=B))) == {B}
    assert set(routes(catalogue(served(A), served(B, num=0), rules=rules, glm=B))) == {A}
    assert set(routes(catalogue(served(A), served(B, is_paused=True), rules=rules, glm=B))) == {A}
    assert set(routes(catalogue(served(A, is_paused=True), rules=rules, glm=A))) == {A}


def canary(percent: float, revision: Revision = B) -> tuple[ModelRules, ...]:
    return (ModelRules(name=GLM, canary=Canary(revision=revision, percent=percent)),)


def test_a_canary_gets_its_share_and_every_job_always_goes_the_same_way() -> None:
    found = catalogue(served(A), served(B), rules=canary(5), glm=A)
    gone = [found.route(None, job) for job in JOBS]
    assert 8 <= sum(each.is_canary for each in gone) <= 36
    assert all((each.revision == B) is each.is_canary for each in gone)
    assert gone == [found.route(None, job) for job in JOBS]


@given(st.floats(0.001, 100), st.floats(0.001, 100), st.sampled_from(JOBS))
def test_a_larger_share_has_all_jobs_of_a_smaller_one(one: float, other: float, job: JobId) -> None:
    small, large = sorted((one, other))
    assert Canary(revision=B, percent=large).takes(job) or not Canary(revision=B, percent=small).takes(job)
    assert Canary(revision=B, percent=100).takes(job)


@pytest.mark.parametrize("other", [served(B, num=0), served(B, is_paused=True)])
def test_a_canary_that_takes_no_work_gets_none(other: ServedRevision) -> None:
    assert set(routes(catalogue(served(A), other, rules=canary(100), glm=A))) == {A}


def test_a_canary_is_not_the_main_revision_even_if_its_workers_are_more_or_newer() -> None:
    assert set(routes(catalogue(served(A), served(B, num=9), rules=canary(0.0001)))) == {A}


def test_a_canary_alone_gets_all() -> None:
    assert set(routes(catalogue(served(B), rules=canary(1)))) == {B}


def test_a_key_for_some_models_may_use_only_these() -> None:
    found = catalogue(served(A), served(P, PAINTER)).limited_to(("Acme/painter",))
    assert (found.permits(PAINTER), found.permits(None), found.usable) == (True, False, [PAINTER])
    with pytest.raises(InvalidRequest, match=r"for Acme/painter only, and the request is for zai-org/GLM-Image"):
        found.resolve(None)
    assert catalogue().limited_to(("glm-image",)).permits(None)


def test_a_model_has_the_names_that_its_workers_announce() -> None:
    found = catalogue(served(A), served(P, PAINTER), glm=A, painter=P)
    of_default = ("", "dall-e-3", "glm-image", GLM.lower())
    for name in (GLM, "Glm-Image", "dall-e-3", f" {GLM.upper()} "):
        assert found.names_of(name) == of_default
    for name in (PAINTER, "painter", "ACME/painter"):
        assert found.names_of(name) == (PAINTER.lower(),)
    with pytest.raises(InvalidRequest) as raised:
        found.names_of("acme/Painted")
    assert raised.value.field == "model"


def test_a_model_without_workers_keeps_its_names() -> None:
    """It was announced long ago, or an operator lets its jobs wait."""
    for found in (catalogue(painter=P), catalogue(rules=(ModelRules(name=PAINTER, waits=True),), glm=A)):
        assert found.names_of(PAINTER) == (PAINTER.lower(),)
    assert catalogue().names_of(GLM)[0] == ""


def test_the_only_model_has_the_requests_without_a_name() -> None:
    assert catalogue(served(P, PAINTER), painter=P).names_of(PAINTER) == ("", PAINTER.lower())
    for known in ({"glm": "a"}, {}):
        others = () if known else (served(B, "acme/Brush"),)
        assert catalogue(served(P, PAINTER), *others, painter=P, **known).names_of(PAINTER) == (PAINTER.lower(),)
