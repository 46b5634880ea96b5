"""Reads the word of a picture with Tesseract. Knows no model."""

from dataclasses import dataclass
from pathlib import Path

from cli.evaluation.ocr import Ocr
from cli.evaluation.scores import score

_SIDE_PX = 512  # letters of a poster are then 60 pixels tall or more, and Tesseract takes half a second


@dataclass(frozen=True, slots=True)
class WordVerdict:
    """Whether the word was read letter by letter, and the normalised edit distance to what was read."""

    is_read: bool
    edit_distance: float


class Reader:
    """Tesseract for English. Raises `Unavailable` where it is not installed."""

    def __init__(self) -> None:
        self._ocr = Ocr("eng", min_side_px=_SIDE_PX)

    def judge(self, picture: Path, word: str) -> WordVerdict:
        """Pictures show capitals alone, so the case in which a letter is read does not count."""
        result = score([word], self._ocr.read(picture).upper())
        assert result is not None, f"{word} has no letter"
        return WordVerdict(result.word_accuracy == 1.0, result.edit_distance)
