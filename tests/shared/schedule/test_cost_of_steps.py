"""Costs are in proportion to the work of the real engine's steps, over sizes and edits."""

from benchmarks.dit_cost import CASES, SHALLOW, errors, step_operations

MOST_OFF = 0.02


def test_costs_of_sizes_and_edits_are_within_a_fiftieth_of_the_operations_of_a_step() -> None:
    """Times are compared by `python -m benchmarks.dit_cost`, because they depend on the machine."""
    assert max(map(abs, errors(CASES, step_operations(SHALLOW, CASES)))) <= MOST_OFF
