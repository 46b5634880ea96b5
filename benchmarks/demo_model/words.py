"""Reads the word in a picture with Tesseract. Depends on no model."""

from dataclasses import dataclass
from pathlib import Path

from cli.evaluation.ocr import Ocr
from shared.spelling.scores import score

_SIDE_PX = 512  # at this size letters of a poster are at least 60 pixels tall, and Tesseract takes half a second


@dataclass(frozen=True, slots=True)
class WordVerdict:
    """The verdict on a word in a picture: whether it was read exactly, and its normalised edit distance to the text
    that was read.
    """

    is_read: bool
    edit_distance: float


class Reader:
    """Reads English text with Tesseract. Raises `Unavailable` if Tesseract is not installed."""

    def __init__(self) -> None:
        self._ocr = Ocr("eng", min_side_px=_SIDE_PX)

    def judge(self, picture: Path, word: str) -> WordVerdict:
        """Judges the word in a picture. The case of letters is ignored, because pictures show only capitals."""
        result = score([word], self._ocr.read(picture).upper())
        assert result is not None, f"{word} has no letter"
        return WordVerdict(result.word_accuracy == 1.0, result.edit_distance)
