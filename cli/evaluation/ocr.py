"""Reads the text in picture files with the OCR program Tesseract. Does not score the text."""

from pathlib import Path

from PIL import Image

from cli.errors import Failure, Unavailable
from shared.spelling.ocr import enlarged, installed_languages, text_in

_MIN_SIDE_PX = 1500  # Tesseract needs capitals of at least 20 pixels, so smaller pictures are scaled up


class Ocr:
    """Reads text in pictures with Tesseract, in given languages such as `eng+chi_sim`.

    Scales small pictures up first, because Tesseract needs large letters.
    """

    def __init__(self, languages: str, min_side_px: int = _MIN_SIDE_PX) -> None:
        """Creates a reader for the given languages, such as `eng` or `eng+chi_sim`.

        Raises `Unavailable` if Tesseract is not installed, and `Failure` if Tesseract lacks one of the languages.
        """
        there = installed_languages()
        if there is None:
            raise Unavailable("Tesseract is not installed: its package is called tesseract-ocr in Debian")
        missing = set(languages.split("+")) - there
        if missing:
            raise Failure(f"Tesseract lacks {', '.join(sorted(missing))}; it has {', '.join(sorted(there))}")
        self._languages = languages
        self._min_side_px = min_side_px

    def read(self, path: Path) -> str:
        """Returns all text that Tesseract finds in a picture, in no particular order.

        Raises `Failure` if the file is missing or damaged.
        """
        try:
            with Image.open(path) as picture:
                large = enlarged(picture.convert("RGB"), self._min_side_px)
        except OSError as error:
            raise Failure(f"{path} cannot be read as a picture: {error}") from error
        return text_in(large, self._languages)
