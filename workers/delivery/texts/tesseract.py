"""Reads the text in a picture with Tesseract on this machine. It needs the packages of the extra `eval`."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from shared.objects.store import ObjectStore
from shared.spelling.ocr import enlarged, text_in
from shared.store.checks.checks import CheckClaim
from workers.delivery.content.errors import NoVerdict

# Tesseract misses small letters in a small picture, and letters of several hundred pixels in a large one.
_SIDES_PX = (512, 1500)


@dataclass(frozen=True, slots=True)
class TesseractReader:
    """Reads the text in a picture with Tesseract.

    `languages` are Tesseract's names of languages, such as `eng+chi_sim`. The picture is read at two sizes. `timeout_s`
    limits the time for each size.
    """

    objects: ObjectStore
    languages: str
    timeout_s: float

    def read(self, claim: CheckClaim) -> Iterator[str]:
        """Yields what Tesseract reads in the picture at two sizes."""
        assert claim.picture
        try:
            with Image.open(io.BytesIO(self.objects.get(claim.picture.key))) as image:
                picture = image.convert("RGB")
            sizes = {enlarged(picture, side).size: side for side in _SIDES_PX}
            for side in sizes.values():
                yield text_in(enlarged(picture, side), self.languages, self.timeout_s / len(_SIDES_PX))
        except TimeoutError as error:
            raise NoVerdict("timeout", str(error), is_final=True) from error
        except (OSError, RuntimeError) as error:
            raise NoVerdict("reader_failed", f"Tesseract could not read the picture: {error}", is_final=True) from error
