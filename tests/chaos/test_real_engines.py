"""The same with the real engines and a small model: while it loads, and down to the pixels."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.jobs.spec import SEED_LIMIT
from tests.chaos.checks import SEED, check
from tests.chaos.ledger import Request
from tests.chaos.run import Plan, run
from tests.chaos.schedule import Fault, Kind
from tests.fixtures.reference import Reference


def is_a_picture(asked: Request, _: int, data: bytes) -> bool:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size == (asked.width_px, asked.height_px)


@pytest.mark.attack
@pytest.mark.timeout(600)
def test_kills_while_the_models_still_load_stop_nothing(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path
) -> None:
    """Whoever is ready long before the models, and ends, is started again: jobs have been accepted."""
    # A stage is killed before it can have loaded, again and again: a quick machine needs two seconds for it.
    roles = ["valkey-0", "ar-0", "dit-0", "seaweedfs-0", "ar-0", "api-0", "dit-0"]
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
