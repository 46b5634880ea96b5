"""Reads the text of a picture with Tesseract. Scores nothing."""

from pathlib import Path

import pytesseract
from PIL import Image

from cli.errors import Failure, Unavailable

_SPARSE = "--psm 11"  # text anywhere, in no order: what a picture has
_MIN_SIDE_PX = 1500  # Tesseract wants capitals of 20 pixels or more; posters are scaled up to this


class Ocr:
    """Tesseract with the given languages, such as `eng` or `eng+chi_sim`. Smaller pictures are scaled up first."""

    def __init__(self, languages: str, min_side_px: int = _MIN_SIDE_PX) -> None:
        """Raises `Unavailable` without Tesseract, and `Failure` without one of the languages."""
        try:
            there = set(pytesseract.get_languages())
        except pytesseract.TesseractNotFoundError as error:
            raise Unavailable("Tesseract is not installed: its package is called tesseract-ocr in Debian") from error
        missing = set(languages.split("+")) - there
        if missing:
            raise Failure(f"Tesseract lacks {', '.join(sorted(missing))}; it has {', '.join(sorted(there))}")
        self._languages = languages
        self._min_side_px = min_side_px

    def read(self, path: Path) -> str:
        """All text of a picture, in no particular order. Raises `Failure` for a file that is gone or no picture."""
        try:
            with Image.open(path) as picture:
                enlarged = _enlarged(picture.convert("RGB"), self._min_side_px)
        except OSError as error:
            raise Failure(f"{path} cannot be read as a picture: {error}") from error
        return str(pytesseract.image_to_string(enlarged, lang=self._languages, config=_SPARSE))


def _enlarged(picture: Image.Image, min_side_px: int) -> Image.Image:
    factor = max(1, -(-min_side_px // min(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS)
