"""Nothing accepted is lost and nothing is done twice, whatever ends in the midst of it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.job_spec import SEED_LIMIT
from tests.chaos.ledger import Request
from tests.chaos.report import Report
from tests.chaos.run import Plan, run
from tests.chaos.schedule import Fault, Kind
from tests.chaos.simulated import is_as_foretold, short_plan, silent_plan
from tests.fixtures.reference import Reference

SEED = 1


def is_a_picture(asked: Request, _: int, data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size == (asked.width_px, asked.height_px)


def check(report: Report, plan: Plan) -> None:
    assert report.is_good, "\n".join(report.lines())
    assert sum(report.faults.values()) == len(plan.faults)
    assert report.findings.num_pictures
    assert report.num_webhooks >= report.num_jobs > 0


@pytest.mark.timeout(600)
def test_a_short_seeded_run_loses_and_repeats_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    plan = short_plan(SEED)
    check(run(plan, tmp_path_factory.mktemp("chaos"), is_as_foretold), plan)


@pytest.mark.attack
@pytest.mark.timeout(600)
def test_work_goes_on_as_before_when_a_silent_network_is_heard_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    plan = silent_plan(SEED, ("dit-0", "batch-0"), bounds_s=(6.0, 8.0), settle_s=60.0)
    report = run(plan, tmp_path_factory.mktemp("silence"), is_as_foretold)
    check(report, plan)
    assert len(report.healed) == len(plan.silences)


@pytest.mark.attack
@pytest.mark.timeout(600)
def test_kills_while_the_models_still_load_stop_nothing(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path
) -> None:
    """Whoever is ready long before the models, and ends, is started again: jobs have been accepted."""
    # A stage is killed before it can have loaded, again and again: a quick machine needs two seconds for it.
    roles = ["valkey-0", "ar-0", "delivery-0", "dit-0", "upkeep-0", "ar-0", "batch-0", "dit-0", "seaweedfs-0", "ar-0"]
    roles += ["api-0", "dit-0"]
    plan = Plan(
        seed=SEED,
        faults=tuple(Fault(Kind.KILL, role, after_s=0.5, lasts_s=0.0) for role in roles),
        lease_ttl_s=5.0,
        model=str(tiny_checkpoint),
        workers_per_stage=1,
        has_far_worker=False,
        rate_per_s=1.5,
        settle_s=180.0,
        cancels=False,
        is_loading=True,
    )
    report = run(plan, tmp_path_factory.mktemp("loading"), is_a_picture)
    check(report, plan)
    assert report.num_while_loading == len(plan.faults)


@pytest.mark.timeout(600)
def test_pictures_of_the_real_engines_are_the_same_after_a_handful_of_kills(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, glm_reference: Reference
) -> None:
    roles = [(Kind.KILL, "dit-0"), (Kind.KILL, "ar-0"), (Kind.KILL, "valkey-0"), (Kind.TERM, "dit-0")]
    plan = Plan(
        seed=SEED,
        faults=tuple(Fault(kind, role, after_s=5.0, lasts_s=0.0) for kind, role in roles),
        lease_ttl_s=5.0,
        model=str(tiny_checkpoint),
        workers_per_stage=1,
        has_far_worker=False,
        rate_per_s=0.25,
        settle_s=120.0,
        cancels=False,
    )

    def is_the_references(asked: Request, index: int, data: bytes) -> bool:
        expected = glm_reference.picture(asked.settings, (asked.seed + index) % SEED_LIMIT)
        with Image.open(io.BytesIO(data)) as picture:
            difference = np.asarray(picture, dtype=int) - np.asarray(expected, dtype=int)
        return int(np.abs(difference).max()) <= 1

    check(run(plan, tmp_path_factory.mktemp("parity"), is_the_references), plan)
