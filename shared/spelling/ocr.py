"""Reads the text in a picture with the OCR program Tesseract. It needs the packages of the extra `eval`."""

import pytesseract
from PIL import Image

_SPARSE = "--psm 11"  # sparse text: finds text anywhere in the picture, in no order


def installed_languages() -> frozenset[str] | None:
    """Returns the languages that Tesseract has, such as `eng`; None if Tesseract is not installed."""
    try:
        return frozenset(pytesseract.get_languages())
    except pytesseract.TesseractNotFoundError:
        return None


def enlarged(picture: Image.Image, min_side_px: int) -> Image.Image:
    """Returns the picture, enlarged by a whole number if its shorter side is below `min_side_px`."""
    factor = max(1, -(-min_side_px // min(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS)


def text_in(picture: Image.Image, languages: str, timeout_s: float = 0) -> str:
    """Returns all text that Tesseract finds in a picture. `languages` is such as `eng` or `eng+chi_sim`.

    Raises `TimeoutError` if this takes longer than `timeout_s` seconds (0: no limit), and `RuntimeError` if Tesseract
    fails.
    """
    try:
        return str(pytesseract.image_to_string(picture, lang=languages, config=_SPARSE, timeout=timeout_s))
    except pytesseract.TesseractError:
        raise
    except RuntimeError as error:  # what pytesseract raises after its time limit
        raise TimeoutError(f"Tesseract took longer than {timeout_s:g} s") from error
