"""Scores of read text: what they are for texts whose score anybody can see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.spelling.scores import score

WORD = st.text("abcdefghij", min_size=1, max_size=8)


def test_a_text_read_letter_by_letter_is_perfect() -> None:
    result = score(["Grand Opening", "50 % off"], "50 % off\n\nGrand Opening")
    assert result is not None
    assert (result.word_accuracy, result.edit_distance) == (1.0, 0.0)


def test_nothing_read_is_the_worst() -> None:
    result = score(["Grand Opening"], "")
    assert result is not None
    assert (result.word_accuracy, result.edit_distance) == (0.0, 1.0)


def test_one_wrong_letter_costs_its_word_and_little_distance() -> None:
    result = score(["Grand Opening"], "Grand 0pening")
    assert result is not None
    assert result.word_accuracy == 0.5
    assert result.edit_distance == pytest.approx(1 / len("Grand Opening"))


def test_a_word_asked_for_twice_must_be_read_twice() -> None:
    result = score(["ZZZ", "ZZZ"], "ZZZ")
    assert result is not None
    assert result.word_accuracy == 0.5


def test_scripts_without_spaces_count_by_the_character() -> None:
    result = score(["春山新茶"], "春山斩茶")
    assert result is not None
    assert result.num_words == 4
    assert result.word_accuracy == 0.75


def test_prompts_without_words_in_quotes_have_no_score() -> None:
    assert score([], "anything") is None
    assert score(["…"], "anything") is None


@given(st.lists(st.lists(WORD, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=4), st.randoms())
def test_the_order_of_texts_on_the_picture_does_not_matter(texts: list[str], rng: object) -> None:
    shuffled = list(texts)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    result = score(texts, "\n".join(shuffled))
    assert result is not None
    assert (result.word_accuracy, result.edit_distance) == (1.0, 0.0)
