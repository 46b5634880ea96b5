"""Says which tokens and which attention heads of a forward pass each device has. Plain arithmetic, no tensors."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Split:
    """How the tokens of a forward pass are divided among the devices. `rank` is the number of this process's device.

    `image[r]` and `glyphs[r]` are the numbers of image tokens and glyph tokens of device r. They may differ by one, so
    no token is padding.
    """

    rank: int
    image: tuple[int, ...]
    glyphs: tuple[int, ...]

    @classmethod
    def of(cls, rank: int, num_ranks: int, num_image: int, num_glyphs: int) -> Self:
        return cls(rank, _shares(num_image, num_ranks), _shares(num_glyphs, num_ranks))

    @property
    def tokens(self) -> list[int]:
        """The number of tokens of each device."""
        return [image + glyphs for image, glyphs in zip(self.image, self.glyphs, strict=True)]

    @property
    def own_image(self) -> slice:
        """The image tokens of this process's device."""
        return _part(self.image, self.rank)

    @property
    def own_glyphs(self) -> slice:
        """The glyph tokens of this process's device."""
        return _part(self.glyphs, self.rank)


def own_heads(rank: int, num_ranks: int, num_heads: int) -> slice:
    """Returns the attention heads of device `rank`. The number of devices must divide the number of heads."""
    assert num_heads % num_ranks == 0
    each = num_heads // num_ranks
    return slice(rank * each, (rank + 1) * each)


def _shares(count: int, parts: int) -> tuple[int, ...]:
    each, rest = divmod(count, parts)
    return tuple(each + (part < rest) for part in range(parts))


def _part(shares: tuple[int, ...], rank: int) -> slice:
    first = sum(shares[:rank])
    return slice(first, first + shares[rank])
