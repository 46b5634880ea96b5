"""Parses the setting with further names of the served model, such as `dall-e-3,gpt-image-1`."""

import re

_NAME = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,128}")  # visible ASCII without the comma


def read_model_names(text: str) -> tuple[str, ...]:
    """Parses model names that are separated by commas. Raises `ValueError` for a name that no client could send."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:128]!r} is no model name: use 1 to 128 visible ASCII characters")
    return names
