"""Progress in steps of each stage."""

import pytest

from cli.jobs.progress import steps_done, steps_in_all
from shared.geometry import num_decode_steps
from shared.jobs.states import RenderState
from tests.cli.stub_api import finished, job

DECODE, DENOISE = num_decode_steps(256, 256, is_edit=False), 10


def at(state: str, done: int | None = None) -> dict[str, object]:
    progress = None if done is None else {"done": done, "total": 1000}
    answer = job()
    answer["images"][0] |= {"status": state, "progress": progress}
    return answer


def test_all_steps_are_known_before_anything_starts() -> None:
    edit = job(num_condition_images=1, n=2)
    in_all = DECODE + 2 * num_decode_steps(256, 256, is_edit=True)
    assert steps_in_all([job(), edit]) == (in_all, 3 * DENOISE)


@pytest.mark.parametrize(
    ("state", "done", "expected"),
    [
        ("queued", None, (0, 0)),
        ("prior_running", None, (0, 0)),
        ("prior_running", 17, (17, 0)),
        ("prior_ready", None, (DECODE, 0)),
        ("decode_running", 4, (DECODE, 4)),
        ("checking", None, (DECODE, DENOISE)),
        ("rejected", None, (0, 0)),
        ("succeeded", None, (DECODE, DENOISE)),
    ],
)
def test_a_picture_counts_the_steps_behind_it(state: str, done: int | None, expected: tuple[int, int]) -> None:
    assert steps_done([at(state, done)]) == expected


@pytest.mark.parametrize("state", RenderState)
def test_every_state_can_be_shown(state: RenderState) -> None:
    decode, denoise = steps_done([at(state)])
    assert 0 <= decode <= DECODE
    assert 0 <= denoise <= DENOISE


def test_finished_jobs_fill_both_bars() -> None:
    jobs = [finished(), finished(n=3)]
    assert steps_done(jobs) == steps_in_all(jobs)
