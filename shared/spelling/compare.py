"""Compares the text that was read in a picture with the text that its prompt quotes. Reads no pictures."""

import unicodedata

from shared.jobs.text_check import Reading
from shared.quoted_text import quoted_texts
from shared.spelling.scores import score, words_of

_MOST_READ = 2000  # characters of what was read; more is no text but a pattern that looks like letters
_APOSTROPHES = str.maketrans("’‘", "''")


def has_quoted_words(prompt: str) -> bool:
    """Returns whether the prompt puts any word in quotation marks."""
    return any(map(words_of, quoted_texts(prompt)))


def reading_of(prompt: str, read: str) -> Reading:
    """Returns how well the text that was read fits the quoted texts of a prompt, which must quote a word.

    The case of letters and the form of apostrophes are ignored: a poster may show any text in capitals.
    """
    line = " ".join(read.split())[:_MOST_READ]
    found = score([_folded(text) for text in quoted_texts(prompt)], _folded(line))
    assert found, "a prompt without quoted words is refused"
    return Reading(text=line, is_match=found.word_accuracy == 1.0, edit_distance=round(found.edit_distance, 4))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
