from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.states import ARROWS, JobStatus, RenderState, Stage, final_status

FINAL = [state for state in RenderState if state.is_final]
ENDINGS = {RenderState.FAILED, RenderState.CANCELLED, RenderState.EXPIRED}


def test_the_table_knows_every_state() -> None:
    assert set(ARROWS) == set(RenderState)


def test_final_states_have_no_way_on() -> None:
    assert set(FINAL) == {RenderState.SUCCEEDED, RenderState.REJECTED, *ENDINGS}
    assert not any(ARROWS[state] for state in FINAL)


@pytest.mark.parametrize("state", [state for state in RenderState if not state.is_final])
def test_every_other_state_can_end_in_each_bad_way(state: RenderState) -> None:
    assert set(ARROWS[state]) >= ENDINGS


def test_a_render_that_is_not_reused_succeeds_through_both_stages_only() -> None:
    path = [RenderState.QUEUED]
    while not path[-1].is_final:
        beside = {*ENDINGS, RenderState.CHECKING, RenderState.REJECTED}
        if path[-1] is Stage.AR.running:
            beside.add(RenderState.SUCCEEDED)  # a copy of an earlier picture
        onward = [to for to in ARROWS[path[-1]] if to not in beside and to not in path]
        assert len(onward) == 1
        path.extend(onward)
    ar, dit = Stage.AR, Stage.DIT
    assert path == [ar.waiting, ar.running, ar.done, dit.running, dit.done]
    assert ar.done is dit.waiting


@pytest.mark.parametrize("stage", Stage)
def test_a_retry_goes_back_to_where_the_stage_began(stage: Stage) -> None:
    backward = set(ARROWS[stage.running]) - ENDINGS - {stage.done, RenderState.CHECKING, RenderState.SUCCEEDED}
    assert backward == {stage.waiting}


def test_only_what_no_worker_holds_can_be_rejected() -> None:
    rejectable = {state for state in RenderState if RenderState.REJECTED in ARROWS[state]}
    assert rejectable == {RenderState.QUEUED, RenderState.PRIOR_READY, RenderState.CHECKING}


@given(st.lists(st.sampled_from(FINAL), min_size=1))
def test_a_job_ends_as_its_worst_end_deserves(ends: list[RenderState]) -> None:
    status = final_status(ends)
    assert status.is_final
    assert (status is JobStatus.SUCCEEDED) == (set(ends) == {RenderState.SUCCEEDED})
    worst = (RenderState.REJECTED, RenderState.CANCELLED, RenderState.EXPIRED, RenderState.FAILED)
    ranked = (*worst, RenderState.SUCCEEDED)
    assert status.value == next(state.value for state in ranked if state in ends)


def test_the_order_of_the_ends_does_not_matter() -> None:
    assert {final_status(order) for order in permutations(FINAL)} == {JobStatus.REJECTED}
