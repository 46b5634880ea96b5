"""What an operator has set about the labels of pictures: the provider's name, and the font of the visible mark."""

from dataclasses import dataclass, field
from typing import Self

from PIL import Image

from shared.settings.settings import Settings
from workers.dit.pictures.mark import MarkFont, draw_mark


@dataclass(frozen=True, slots=True)
class Labelling:
    """The parts of labels that are the same for all pictures of a worker. `producer` is the name or code of the
    provider that generates the pictures.
    """

    producer: str
    font: MarkFont = field(default_factory=MarkFont)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Reads the font. Raises `Misconfigured` if it can't be used."""
        return cls(settings.label_producer, MarkFont.read(settings.mark_font, settings.mark_text))

    def marked(self, image: Image.Image, text: str | None) -> Image.Image:
        """Returns the RGB picture with the text as its visible mark, or unchanged if the text is None.

        Raises `RenderFailed` if the font lacks letters of the text.
        """
        return image if text is None else draw_mark(image, text, self.font)
