"""Plans against queueing theory's own results, and against a simulation."""

import heapq
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.plan.planning import BeyondProfile, Demand, erlang_c, plan
from shared.geometry import num_decode_steps
from shared.jobs.states import Stage
from shared.schedule.profile import ArPoint, DitPoint, Profile

PROFILE = Profile(
    ar=[ArPoint(rows=1, step_s=0.01), ArPoint(rows=32, step_s=0.02)],
    dit=[
        DitPoint(width=512, height=512, step_s=0.05, fixed_s=0.5),
        DitPoint(width=1024, height=1024, step_s=0.2, fixed_s=1.0),
    ],
)


def a_demand(pictures_per_s: float = 1.0, side_px: int = 1024) -> Demand:
    return Demand(pictures_per_s, side_px, side_px, 50)


def simulated_wait_s(servers: int, service_s: float, rate: float, count: int, seed: int) -> float:
    """Mean wait of Poisson arrivals that each take `service_s`, first come first served."""
    rng = random.Random(seed)
    free_at_s = [0.0] * servers
    now_s, waits = 0.0, []
    for _ in range(count):
        now_s += rng.expovariate(rate)
        begins_s = max(now_s, heapq.heappop(free_at_s))
        waits.append(begins_s - now_s)
        heapq.heappush(free_at_s, begins_s + service_s)
    return statistics.mean(waits)


def test_one_server_waits_as_often_as_it_is_busy() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)


def test_erlang_c_is_the_textbooks_value() -> None:
    # Two servers: C = 2 rho^2 / (1 + rho), with rho the load of each.
    assert erlang_c(2, 1.2) == pytest.approx(2 * 0.6**2 / 1.6)


def test_the_mean_wait_is_near_a_simulations() -> None:
    answer = plan(PROFILE, a_demand(0.7), most_utilised=0.8)
    servers = answer.dit.num_workers
    measured_s = simulated_wait_s(servers, answer.dit.service_s, 0.7, count=40_000, seed=1)
    assert answer.dit.wait_s == pytest.approx(measured_s, rel=0.25)


def test_a_pictures_time_follows_from_its_steps() -> None:
    answer = plan(PROFILE, a_demand(), most_utilised=0.8)
    assert answer.ar.service_s == pytest.approx(num_decode_steps(1024, 1024, is_edit=False) * 0.02)
    assert answer.dit.service_s == pytest.approx(50 * 0.2 + 1.0)
    assert answer.limit is Stage.DIT


def test_slots_between_two_measures_take_a_step_between_theirs() -> None:
    few = plan(PROFILE, a_demand(), most_utilised=0.8, slots=16)
    assert 0.01 < few.ar.service_s / num_decode_steps(1024, 1024, is_edit=False) < 0.02


def test_sizes_between_two_measures_take_a_time_between_theirs() -> None:
    between = plan(PROFILE, a_demand(side_px=768), most_utilised=0.8)
    assert 50 * 0.05 + 0.5 < between.dit.service_s < 50 * 0.2 + 1.0


def test_what_the_profile_says_nothing_about_is_refused() -> None:
    with pytest.raises(BeyondProfile, match="rows"):
        plan(PROFILE, a_demand(), most_utilised=0.8, slots=64)
    small = Profile(ar=PROFILE.ar, dit=[DitPoint(width=256, height=256, step_s=0.01, fixed_s=0.1)])
    with pytest.raises(BeyondProfile, match="256x256"):
        plan(small, a_demand(side_px=2048), most_utilised=0.8)


@settings(deadline=None)
@given(
    rate=st.floats(0.01, 200),
    side=st.sampled_from([512, 768, 1024, 1536]),
    most=st.floats(0.1, 0.95),
)
def test_the_plan_is_the_smallest_that_keeps_the_bound(rate: float, side: int, most: float) -> None:
    answer = plan(PROFILE, a_demand(rate, side), most_utilised=most)
    for stage in (answer.ar, answer.dit):
        load = rate * stage.service_s
        assert stage.utilisation <= most + 1e-9
        assert stage.num_workers == 1 or load > (stage.num_workers - 1) * stage.slots * most - 1e-6
        assert stage.wait_s >= 0
