"""Scores how well the text that OCR read in a picture matches the text that its prompt asked for. Reads no pictures."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.spelling.distance import distance

# Matches a word, or one character of a script that writes no spaces.
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['’.,-][^\W_{_CJK}]+)*")


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one picture. Of `num_words` words that the prompt asked for, OCR read `num_words_read`.

    `edit_distance` is 0 when every text is spelled exactly, and 1 when nothing of any text was found.
    """

    num_words: int
    num_words_read: int
    edit_distance: float

    @property
    def word_accuracy(self) -> float:
        return self.num_words_read / self.num_words


def score(asked: Sequence[str], read: str) -> Score | None:
    """Compares the quoted texts of a prompt with the text that OCR read. Returns None if no quoted text has a word.

    Word accuracy is defined as in CVTG-2K: a word that was asked for twice must also be read twice.

    The edit distance compares a quoted text with the most similar sequence of consecutive words that OCR read. It is
    their Levenshtein distance, divided by the longer length. So the order of texts in the picture does not matter. The
    edit distance of a picture is the mean over its quoted texts, weighted by their length.
    """
    texts = [words for words in map(words_of, asked) if words]
    if not texts:
        return None
    wanted = Counter(word for words in texts for word in words)
    there = words_of(read)
    lengths = [len(" ".join(words)) for words in texts]
    distances = [_nearest(words, there) for words in texts]
    weighted = sum(length * distance for length, distance in zip(lengths, distances, strict=True))
    return Score(wanted.total(), (wanted & Counter(there)).total(), weighted / sum(lengths))


def words_of(text: str) -> list[str]:
    """Returns the words of a text. In scripts without spaces each character is a word."""
    return _WORD.findall(text)


def _nearest(words: Sequence[str], there: Sequence[str]) -> float:
    """Returns the smallest normalised edit distance between `words` and any sequence of consecutive words in `there`.

    The sequence may have one word more or less than `words`, because OCR splits and joins words.
    """
    text = " ".join(words)
    sizes = {size for size in (len(words) - 1, len(words), len(words) + 1) if size > 0}
    runs = {" ".join(there[begin : begin + size]) for size in sizes for begin in range(max(1, len(there) - size + 1))}
    return min(distance(text, run) / max(len(text), len(run)) for run in runs)
