"""What an operator has set about the labels of pictures: the provider's name, the font of the visible mark, and the
certificate that signs pictures.
"""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Self

from PIL import Image

from shared.settings.settings import Settings
from workers.dit.pictures.mark import MarkFont, draw_mark
from workers.dit.pictures.signing import PictureSigner, open_signer


@dataclass(frozen=True, slots=True)
class Labelling:
    """The parts of labels that are the same for all pictures of a worker. `producer` is the name or code of the
    provider that generates the pictures. `signer` is None if the operator has set no certificate.
    """

    producer: str
    font: MarkFont = field(default_factory=MarkFont)
    signer: PictureSigner | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Reads the font and the certificate. Raises `Misconfigured` if one of them can't be used."""
        font = MarkFont.read(settings.mark_font, settings.mark_text)
        return cls(settings.label_producer, font, open_signer(settings, version("gridpress")))

    def marked(self, image: Image.Image, text: str | None) -> Image.Image:
        """Returns the RGB picture with the text as its visible mark, or unchanged if the text is None.

        Raises `RenderFailed` if the font lacks letters of the text.
        """
        return image if text is None else draw_mark(image, text, self.font)

    def signed(self, data: bytes, content_type: str) -> bytes:
        """Returns the file of a picture with a C2PA signature, or unchanged if the operator has set no certificate.

        Raises `RenderFailed` if the file can't be signed.
        """
        return self.signer.signed(data, content_type) if self.signer else data
