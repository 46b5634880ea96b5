"""An autoscaler that follows `wanted_workers` clears every load, does not swing, and ends at zero (simulated)."""

import pytest

from benchmarks.autoscale import DEVICES, LENGTH_S, LOADS, Autoscaler, Simulation, turns_of
from shared.jobs.states import Stage

# A worker's start, and the doublings from one worker to sixteen.
RAMP_S = DEVICES[Stage.DIT].start_s + 4 * Autoscaler().up_every_s
# How often a load itself changes its direction; a trickle ends once.
SWINGS = {"bursts of 300 every 30 min": 11, "sine: 0 to 1.5 pictures/s in 1 h": 5}


@pytest.mark.parametrize("name", LOADS)
def test_every_load_is_cleared_in_time_without_swinging_and_ends_at_zero(name: str) -> None:
    report = Simulation(LOADS[name]()).run(name, LENGTH_S)
    strongest = Autoscaler().most * DEVICES[Stage.DIT].renders_per_s
    burst = {"5,000 at once": 5000, "bursts of 300 every 30 min": 300}.get(name, 0)
    assert report.cleared_s is not None
    assert report.cleared_s <= RAMP_S + 1.25 * burst / strongest
    assert all(num <= SWINGS.get(name, 1) for num in report.turns.values())
    assert report.handed_back == 0
    assert report.ends_at_zero


def test_turns_are_changes_of_direction() -> None:
    assert turns_of([0, 1, 2, 2, 3, 2, 1, 0]) == 1
    assert turns_of([1, 2, 1, 2, 1]) == 3
    assert turns_of([1, 1, 1]) == 0
