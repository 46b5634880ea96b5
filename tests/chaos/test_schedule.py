"""A schedule of faults is a pure function of its seed, and holds what it promises."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.recovery import percentile
from tests.chaos.schedule import MIN_KILLS, REACHING, STORES, WORKERS, Kind, Pace, schedule, silences

PACE = Pace(gap_s=1.0, lease_ttl_s=3.0, outage_s=20.0, silence_s=(1.0, 40.0))
EVERYBODY = (*REACHING, *STORES)
SEEDS = st.integers(0, 2**32)
KILLS = st.integers(MIN_KILLS, 300)


@given(SEEDS, KILLS)
def test_the_same_seed_is_the_same_schedule(seed: int, kills: int) -> None:
    assert schedule(seed, kills, PACE) == schedule(seed, kills, PACE)


@given(st.lists(SEEDS, min_size=2, max_size=2, unique=True))
def test_another_seed_is_another_schedule(seeds: list[int]) -> None:
    one, other = (schedule(seed, 50, PACE) for seed in seeds)
    assert one != other


@given(SEEDS, KILLS)
def test_exactly_as_many_processes_end_as_asked(seed: int, kills: int) -> None:
    assert sum(fault.kind.ends_a_process for fault in schedule(seed, kills, PACE)) == kills


@given(SEEDS, KILLS)
def test_every_kind_of_fault_happens(seed: int, kills: int) -> None:
    planned = schedule(seed, kills, PACE)
    assert {fault.kind for fault in planned} == set(Kind)
    where = Counter("worker" if fault.role in WORKERS else fault.role for fault in planned)
    assert where.keys() - {"batch-0"} == {
        "worker",
        "api-0",
        "delivery-0",
        "upkeep-0",
        "valkey-0",
        "seaweedfs-0",
        "supervisor",
    }


@given(SEEDS, KILLS)
def test_a_freeze_outlasts_a_lease_and_a_silence_is_of_any_length_and_way(seed: int, kills: int) -> None:
    for fault in schedule(seed, kills, PACE):
        if fault.kind is Kind.FREEZE:
            assert fault.lasts_s > PACE.lease_ttl_s
        if fault.kind is Kind.SILENCE:
            assert 1.0 <= fault.lasts_s <= 40.0


@given(SEEDS)
def test_every_role_and_store_falls_silent_once_in_the_calm_part(seed: int) -> None:
    assert {fault.role for fault in silences(seed, EVERYBODY, (1.0, 40.0))} == set(EVERYBODY)


@given(SEEDS)
def test_faults_come_at_their_pace(seed: int) -> None:
    gaps = [fault.after_s for fault in schedule(seed, 300, PACE)]
    assert all(gap > 0 for gap in gaps)
    assert abs(sum(gaps) / len(gaps) - PACE.gap_s) < 0.1 * PACE.gap_s


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.sampled_from((0.5, 0.99, 1.0)))
def test_a_percentile_covers_its_share_and_no_smaller_value_does(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)
