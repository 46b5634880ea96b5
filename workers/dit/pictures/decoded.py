"""The finished picture that the DiT engine passes on to be stored.

This module needs no torch, so a simulated engine can use it.
"""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class Decoded:
    """A finished RGB picture, and the wall seconds that its computation took: `denoise_s` for all its steps and their
    preparation, `decode_s` for the VAE.
    """

    image: Image.Image
    denoise_s: float
    decode_s: float

    @property
    def is_blank(self) -> bool:
        """True if all pixels have the same colour. No prompt asks for such a picture."""
        return self.image.getcolors(maxcolors=1) is not None
