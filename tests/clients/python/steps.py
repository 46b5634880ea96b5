"""Reports the calls of a client: one JSON line for each, with the error if it failed. Needs only the standard library,
because it runs in each client's own environment.
"""

import base64
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

URL = os.environ["GRIDPRESS_URL"]
KEY = os.environ["GRIDPRESS_API_KEY"]
PICTURE = Path(os.environ["CLIENT_PICTURE"])
SIZE = "256x256"
PROMPT = "a red kite over the sea"

_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
_MOST_CHARS = 400  # of an error; enough for the message of an HTTP error


@contextmanager
def step(name: str) -> Iterator[None]:
    """Reports whether the block ran without an exception. The next step runs in any case."""
    try:
        yield
    except Exception as error:
        _print(name, f"{type(error).__name__}: {error}"[:_MOST_CHARS])
    else:
        _print(name, None)


def check_picture(data: bytes) -> None:
    """Raises `ValueError` unless the bytes begin like a PNG, JPEG or WebP file."""
    if not data.startswith(_MAGIC):
        raise ValueError(f"no picture: {data[:60]!r}")


def check_base64(text: str | None) -> None:
    if text is None:
        raise ValueError("no b64_json")
    check_picture(base64.b64decode(text))


def check_link(url: str | None) -> None:
    """Downloads the picture behind a link of a response, without an API key, as a browser would."""
    if url is None:
        raise ValueError("no url")
    with urllib.request.urlopen(url, timeout=30) as response:
        check_picture(response.read())


def expect(is_true: object, what: str) -> None:
    if not is_true:
        raise ValueError(what)


def _print(name: str, error: str | None) -> None:
    print(json.dumps({"call": name, "error": error}), flush=True)
