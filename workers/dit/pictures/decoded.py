"""What the DiT stage's engine hands to whoever stores pictures. Without tensors, so that a simulated engine can too."""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True, slots=True)
class Decoded:
    """A finished picture (RGB) and its wall seconds: `denoise_s` with all preparation, `decode_s` in the VAE."""

    image: Image.Image
    denoise_s: float
    decode_s: float

    @property
    def is_blank(self) -> bool:
        """Whether every pixel has one and the same colour: a picture that no prompt asks for."""
        return self.image.getcolors(maxcolors=1) is not None
