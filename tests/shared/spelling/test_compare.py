"""What was read, compared with what the prompt quotes."""

import pytest

from shared.spelling.compare import has_quoted_words, reading_of


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ('a sign that says "Grand Opening"', "GRAND\n\nOPENING\n"),
        ("a sign with “Don't”", "DON’T"),
        ("a poster with the text 「茶馆」", "茶 馆"),
        ('"one" and «two»', "two, one"),
    ],
)
def test_each_quoted_word_was_read(prompt: str, read: str) -> None:
    found = reading_of(prompt, read)
    assert found.is_match
    assert "\n" not in found.text


@pytest.mark.parametrize("read", ["", "GRAND", "GRAND 0PENING", "???"])
def test_a_missing_or_wrong_word_is_no_match(read: str) -> None:
    found = reading_of('a sign that says "Grand Opening"', read)
    assert not found.is_match
    assert 0 < found.edit_distance <= 1


def test_a_word_that_is_quoted_twice_must_be_read_twice() -> None:
    assert not reading_of('"tea" beside "tea"', "tea").is_match
    assert reading_of('"tea" beside "tea"', "tea tea").is_match


def test_endless_nonsense_is_cut() -> None:
    assert len(reading_of('"tea"', "x y " * 10_000).text) <= 2000


@pytest.mark.parametrize(
    ("prompt", "has_words"),
    [('a sign with "tea"', True), ("a red kite", False), ('"?!" and ""', False), ("it's Ann's tea", False)],
)
def test_a_prompt_may_quote_no_word(prompt: str, has_words: bool) -> None:
    assert has_quoted_words(prompt) is has_words
