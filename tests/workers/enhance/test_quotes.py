"""What counts as quoted, and that no letter of it can be lost unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.quoted_text import added_quotes, missing_quotes, quoted, with_curly_apostrophes, without_quotes
from workers.dit.model.glyphs import glyph_texts

MARKS = ['""', "''", "“”", "‘’", "「」", "『』", "«»"]
WORDS = st.text(st.sampled_from("abc XYZ雪山é."), min_size=0, max_size=20)
TEXTS = st.text(
    st.characters(exclude_characters="\"'“”‘’「」『』«»", exclude_categories=["Cs"]), min_size=1, max_size=20
)
QUOTED = st.builds(lambda marks, text: marks[0] + text + marks[1], st.sampled_from(MARKS), TEXTS)


@given(st.lists(QUOTED, max_size=5), st.lists(WORDS, min_size=12, max_size=12))
def test_whatever_is_written_around_it_quoted_text_that_stays_counts_as_kept(
    texts: list[str], words: list[str]
) -> None:
    prompt = " ".join(part for pair in zip(words, texts, strict=False) for part in pair)
    rewritten = " ".join(part for pair in zip(words[6:], reversed(texts), strict=False) for part in pair)
    assert sorted(quoted(prompt).elements()) == sorted(texts)
    assert missing_quotes(prompt, rewritten) == []
    assert added_quotes(prompt, rewritten) == []


@given(st.lists(QUOTED, min_size=1, max_size=5), st.data())
def test_a_single_changed_letter_is_noticed(texts: list[str], data: st.DataObject) -> None:
    victim = data.draw(st.integers(0, len(texts) - 1))
    at = data.draw(st.integers(1, len(texts[victim]) - 2))
    letter = data.draw(st.sampled_from("qZ7山 ").filter(lambda drawn: drawn != texts[victim][at]))
    changed = list(texts)
    changed[victim] = texts[victim][:at] + letter + texts[victim][at + 1 :]
    assert texts[victim] in missing_quotes(" and ".join(texts), " and ".join(changed))


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a sign that says 'Don't walk' by the dog's bowl", ["'Don't walk'"]),
        ("a poster: 'A', 'B'", ["'A'", "'B'"]),
        ("the dog's bowl and the cat's", []),
        ("“He said 'hi'”", ["“He said 'hi'”", "'hi'"]),
        ("‘Bob’s’ on a sign", ["‘Bob’s’"]),
        ('two lines: "OPEN\nLATE"', ['"OPEN\nLATE"']),
        ('"A" and "A"', ['"A"', '"A"']),
        ('an unfinished "quote', []),
    ],
)
def test_quoted_text_is_told_from_apostrophes(prompt: str, texts: list[str]) -> None:
    assert sorted(quoted(prompt).elements()) == sorted(texts)


@pytest.mark.parametrize(
    ("prompt", "rewritten"),
    [
        ('a sign "OPEN"', "a sign “OPEN”"),
        ('a sign "OPEN"', 'a sign "Open"'),
        ('a sign "雪山"', 'a sign "Snow mountain"'),
        ('a sign "OPEN" twice: "OPEN"', 'two signs "OPEN"'),
        ('a sign "OPEN "', 'a sign "OPEN"'),
        ('a sign "OPEN"', "a sign OPEN"),
    ],
)
def test_other_marks_case_language_number_or_spaces_are_a_loss(prompt: str, rewritten: str) -> None:
    assert missing_quotes(prompt, rewritten)


def test_text_that_nobody_asked_for_is_noticed() -> None:
    assert added_quotes("a shop", 'a shop with a sign "OPEN"') == ['"OPEN"']
    assert added_quotes('a shop "OPEN"', '"a shop "OPEN""') == ['"a shop "', '""']


def test_apostrophes_of_a_rewritten_prompt_are_not_drawn_as_quoted_text() -> None:
    rewritten = "it's the dog's bowl, the dogs' sign reads 'Don't walk'"
    assert len(glyph_texts(rewritten)) > 1
    mended = with_curly_apostrophes(rewritten)
    assert mended == "it’s the dog’s bowl, the dogs’ sign reads 'Don't walk'"
    assert missing_quotes("a sign 'Don't walk'", mended) == []


def test_what_is_left_of_a_prompt_is_what_it_does_not_quote() -> None:
    assert without_quotes('a "b\n\nc" d「e」') == "a  d"
