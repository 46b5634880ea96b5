"""Nothing accepted is lost and nothing is done twice, whatever ends in the midst of it. Simulated engines."""

import pytest

from tests.chaos.checks import SEED, check
from tests.chaos.run import run
from tests.chaos.schedule import Kind
from tests.chaos.simulated import is_as_foretold, short_plan, silent_plan


@pytest.mark.timeout(600)
def test_a_short_seeded_run_loses_and_repeats_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    plan = short_plan(2)  # with this seed, a worker of each stage is killed
    killed = {fault.role.partition("-")[0] for fault in plan.faults if fault.kind is Kind.KILL}
    assert killed >= {"ar", "dit", "api", "delivery", "upkeep", "valkey", "seaweedfs", "supervisor"}
    check(run(plan, tmp_path_factory.mktemp("chaos"), is_as_foretold), plan)


@pytest.mark.attack
@pytest.mark.long
@pytest.mark.timeout(600)
def test_work_goes_on_as_before_when_a_silent_network_is_heard_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """`tests.faults.test_deaf_worker` shows in `make test` that workers of every stage hear again."""
    plan = silent_plan(SEED, ("dit-0", "batch-0"), bounds_s=(6.0, 8.0), settle_s=60.0)
    report = run(plan, tmp_path_factory.mktemp("silence"), is_as_foretold)
    check(report, plan)
    assert len(report.healed) == len(plan.silences)
