"""Files' names for a batch's pictures: safe in any folder, and no two the same. Depends on the lines alone."""

import hashlib
import re
import unicodedata
from itertools import count

_UNSAFE = re.compile(r"[^\w.+=@-]+")
_MOST_BYTES = 120  # with an index, a suffix and `.part` it stays below the 255 that file systems take
_NUM_DIGEST_DIGITS = 8
_TAKEN = frozenset({"text_worst"})  # `gridpress eval text` writes its contact sheet into the same folder


class Names:
    """Hands out stems in the order of the lines, so every run over the same lines hands out the same ones."""

    def __init__(self) -> None:
        self._taken = set(_TAKEN)

    def stem(self, custom_id: str, n: int) -> str:
        """What the files of a line's `n` pictures begin with; see `stems`.

        It is the `custom_id` wherever that can be a name; otherwise what is left of it, and a digest.
        """
        safe = _safe(custom_id)
        if safe == custom_id and self._take(safe, n):
            return safe
        tries = (f"{safe}-{_digest(custom_id, attempt)}".lstrip("-") for attempt in count())
        return next(stem for stem in tries if self._take(stem, n))

    def _take(self, stem: str, n: int) -> bool:
        """Takes the names if they are free; returns whether they were. Case is ignored, as some file systems do."""
        wanted = {name.casefold() for name in stems(stem, n)}
        if wanted & self._taken:
            return False
        self._taken |= wanted
        return True


def stems(stem: str, n: int) -> list[str]:
    """Returns the file names of a line's pictures, in order. Several pictures get their index into the name."""
    return [stem] if n == 1 else [f"{stem}-{index}" for index in range(n)]


def _safe(custom_id: str) -> str:
    """No separators, no dot in front, no spaces, not too long."""
    text = _UNSAFE.sub("_", unicodedata.normalize("NFC", custom_id)).strip("._")
    return text.encode()[:_MOST_BYTES].decode(errors="ignore")


def _digest(custom_id: str, attempt: int) -> str:
    text = f"{custom_id}\0{attempt}".encode(errors="surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_NUM_DIGEST_DIGITS]
