"""Where the benchmark of the schedule says that a late picture lost its time."""

from dataclasses import astuple

import pytest

from benchmarks.schedule.service import PictureTimes
from benchmarks.schedule.staggered import Late, Staggered

ALONE = PictureTimes(took_s=3.5, waited_for_ar_s=0.1, in_ar_s=0.3, waited_for_dit_s=0.1, in_dit_s=3.0)


def a_second_later_in(part: str) -> PictureTimes:
    times = {name: getattr(ALONE, name) for name in ALONE.__slots__}
    return PictureTimes(**{**times, "took_s": 4.5, part: times[part] + 1.0})


@pytest.mark.parametrize(
    ("part", "shares_worker", "is_behind"),
    [
        ("waited_for_ar_s", True, 0),
        ("in_ar_s", True, 0),
        ("waited_for_dit_s", True, 1),
        ("waited_for_dit_s", False, 1),
        ("in_dit_s", True, 1),
        ("in_dit_s", False, 0),  # computed slowly
    ],
)
def test_a_late_picture_is_behind_another_one_only_if_it_waited_for_a_dit_worker_or_for_a_picture_in_it(
    part: str, shares_worker: bool, is_behind: int
) -> None:
    found = Staggered(2, ALONE.took_s, ALONE.in_dit_s, [], [Late(0, 1, a_second_later_in(part), shares_worker)])
    assert (found.num_late, found.num_behind) == (1, is_behind)


def test_the_parts_of_a_pictures_time_are_read_from_the_job_and_add_up() -> None:
    job = {
        "created_at": "2026-01-05T09:00:00.000Z",
        "started_at": "2026-01-05T09:00:00.100Z",
        "finished_at": "2026-01-05T09:00:03.500Z",
        "images": [{"timings": {"ar_s": 0.3, "dit_s": 3.0}}],
    }
    times = PictureTimes.of(job)
    assert astuple(times) == pytest.approx(astuple(ALONE))
    assert sum(astuple(times)[1:]) == pytest.approx(times.took_s)
