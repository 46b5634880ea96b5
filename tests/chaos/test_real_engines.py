"""Kills while real engines with a small model load and draw: every picture equals the reference.

`tests.service.test_small_checkpoint` kills workers that draw in `make test`; this is for `make test-long`.
"""

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.jobs.spec import SEED_LIMIT, RenderSettings
from tests.chaos.checks import check
from tests.chaos.ledger import Request
from tests.chaos.run import Plan, run
from tests.chaos.schedule import Fault, Kind
from tests.fixtures.reference import Reference

_SEED = 5  # its first four requests are of four sizes, and of five pictures in all: the reference takes 3 s for each


@pytest.mark.attack
@pytest.mark.long
@pytest.mark.timeout(600)
def test_kills_while_models_load_and_while_they_draw_change_no_picture(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, glm_reference: Reference
) -> None:
    """Jobs are accepted before the models are loaded, so a role that ends meanwhile is started again."""
    # A stage is killed before it can have loaded, again and again: a quick machine needs two seconds for it.
    loading = ["valkey-0", "ar-0", "dit-0", "ar-0"]
    drawing = [(Kind.KILL, "dit-0"), (Kind.KILL, "ar-0")]
    plan = Plan(
        seed=_SEED,
        while_loading=tuple(Fault(Kind.KILL, role, after_s=0.5, lasts_s=0.0) for role in loading),
        faults=tuple(Fault(kind, role, after_s=4.0, lasts_s=0.0) for kind, role in drawing),
        lease_ttl_s=5.0,
        model=str(tiny_checkpoint),
        workers_per_stage=1,
        has_far_worker=False,
        rate_per_s=0.5,
        settle_s=180.0,
        cancels=False,
        num_distinct=4,
        num_requests=6,  # all wait when the models are loaded, so that the kills after that meet workers that draw
        comes_back_in_s=120.0,
    )

    @cache
    def expected(settings: RenderSettings, seed: int) -> Image.Image:
        return glm_reference.picture(settings, seed)

    def is_the_references(asked: Request, index: int, data: bytes) -> bool:
        wanted = expected(asked.settings, (asked.seed + index) % SEED_LIMIT)
        with Image.open(io.BytesIO(data)) as picture:
            difference = np.asarray(picture, dtype=int) - np.asarray(wanted, dtype=int)
        return int(np.abs(difference).max()) <= 1

    report = run(plan, tmp_path_factory.mktemp("parity"), is_the_references)
    check(report, plan)
    assert report.num_while_loading == len(loading)
