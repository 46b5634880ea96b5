"""Chooses file names for the pictures of a batch. The names are unique, and valid on any file system.

The names depend only on the lines of the batch, so every run chooses the same names.
"""

import hashlib
import re
import unicodedata
from itertools import count

_UNSAFE = re.compile(r"[^\w.+=@-]+")
# Of a stem. A whole name, with index, suffix and `.part`, stays below the 255 bytes that file systems accept.
_MOST_BYTES = 120
_NUM_DIGEST_DIGITS = 8
_TAKEN = frozenset({"text_worst"})  # `gridpress eval text` writes its contact sheet into the same folder


class Names:
    """Assigns file names to the pictures of batch lines, in the order of the lines.

    A stem is the part of a file name before index and suffix. Every run over the same lines gets the same stems.
    """

    def __init__(self) -> None:
        self._taken = set(_TAKEN)

    def stem(self, custom_id: str, n: int) -> str:
        """Returns the stem (the part before index and suffix) of the file names for a line's `n` pictures.

        The stem is the `custom_id` if that is a valid file name and not used yet. Otherwise the stem is the valid part
        of the `custom_id`, followed by a digest.
        """
        safe = _safe(custom_id)
        if safe == custom_id and self._take(safe, n):
            return safe
        tries = (f"{safe}-{_digest(custom_id, attempt)}".lstrip("-") for attempt in count())
        return next(stem for stem in tries if self._take(stem, n))

    def _take(self, stem: str, n: int) -> bool:
        """Reserves the file names of a line's `n` pictures if all of them are unused. Returns whether it reserved them.

        Names that differ only in case count as equal, because some file systems ignore case.
        """
        wanted = {name.casefold() for name in stems(stem, n)}
        if wanted & self._taken:
            return False
        self._taken |= wanted
        return True


def stems(stem: str, n: int) -> list[str]:
    """Returns the file names of a line's `n` pictures, without suffix, in order.

    The names of several pictures end with their index.
    """
    return [stem] if n == 1 else [f"{stem}-{index}" for index in range(n)]


def _safe(custom_id: str) -> str:
    """Converts a `custom_id` to a valid file name of at most 120 bytes.

    Replaces separators, spaces and other unsafe characters by `_`, and removes dots and `_` at both ends.
    """
    text = _UNSAFE.sub("_", unicodedata.normalize("NFC", custom_id)).strip("._")
    return text.encode()[:_MOST_BYTES].decode(errors="ignore")


def _digest(custom_id: str, attempt: int) -> str:
    text = f"{custom_id}\0{attempt}".encode(errors="surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_NUM_DIGEST_DIGITS]
