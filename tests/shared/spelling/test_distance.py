"""The distance of two texts: as the textbook's matrix computes it."""

from hypothesis import example, given
from hypothesis import strategies as st

from shared.spelling.distance import distance

TEXT = st.text("ab cé", max_size=12)


def by_matrix(one: str, other: str) -> int:
    """Wagner and Fischer's matrix, row by row."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, row = row, [i]
        for j, against in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != against)))
    return row[-1]


@given(TEXT, TEXT)
@example("", "")
@example("kitten", "sitting")
@example("a" * 70, "a" * 69 + "b")
def test_the_distance_is_that_of_the_matrix(one: str, other: str) -> None:
    assert distance(one, other) == by_matrix(one, other)
