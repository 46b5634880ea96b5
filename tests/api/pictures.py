"""Condition images as a caller sends them."""

import base64
from io import BytesIO

from PIL import Image


def png(width: int = 512, height: int = 512, colour: str = "teal") -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def data_url(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
