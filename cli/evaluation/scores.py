"""How near the text that was read is to the text that was asked for. Reads no pictures."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

# A word, or one character of a script that writes no spaces.
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['’.,-][^\W_{_CJK}]+)*")


@dataclass(frozen=True, slots=True)
class Score:
    """Of one picture. `edit_distance` is 0 when every text is there letter by letter, 1 when nothing of it is."""

    num_words: int
    num_words_read: int
    edit_distance: float

    @property
    def word_accuracy(self) -> float:
        return self.num_words_read / self.num_words


def score(asked: Sequence[str], read: str) -> Score | None:
    """Compares the quoted texts of a prompt with all that was read; None when no quoted text has a word.

    Words count as often as they were asked for (CVTG-2K's word accuracy). The edit distance of a text is Levenshtein's,
    divided by the longer length, to the run of read words that is nearest to it, so the order of texts on the picture
    does not matter; a picture's is the mean over its texts, weighted by their length.
    """
    texts = [words for words in map(_words, asked) if words]
    if not texts:
        return None
    wanted = Counter(word for words in texts for word in words)
    there = _words(read)
    lengths = [len(" ".join(words)) for words in texts]
    distances = [_nearest(words, there) for words in texts]
    weighted = sum(length * distance for length, distance in zip(lengths, distances, strict=True))
    return Score(wanted.total(), (wanted & Counter(there)).total(), weighted / sum(lengths))


def _words(text: str) -> list[str]:
    return _WORD.findall(text)


def _nearest(words: Sequence[str], there: Sequence[str]) -> float:
    """To the nearest run of as many words as were asked for, one fewer or one more: OCR splits and joins."""
    text = " ".join(words)
    sizes = {size for size in (len(words) - 1, len(words), len(words) + 1) if size > 0}
    runs = {" ".join(there[begin : begin + size]) for size in sizes for begin in range(max(1, len(there) - size + 1))}
    return min(Levenshtein.normalized_distance(text, run) for run in runs)
