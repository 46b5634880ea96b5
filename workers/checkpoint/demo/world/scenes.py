"""The world that the demonstration model knows: scenes of shapes, backgrounds and words. Draws nothing.

Of the 336 triples of shape, colour and background 87 are held out, and a fifth of the words: training sees none.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

Rgb = tuple[int, int, int]

COLOURS: Mapping[str, Rgb] = {
    "red": (220, 30, 30),
    "green": (30, 150, 50),
    "blue": (30, 64, 220),
    "yellow": (250, 216, 30),
    "purple": (134, 44, 166),
    "orange": (248, 138, 24),
    "black": (20, 20, 22),
    "white": (248, 248, 246),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")
PATTERNS = ("plain", "striped", "dotted", "graded")
# The centre of a shape, in shares of width and height.
PLACES: Mapping[str, tuple[float, float]] = {
    "left": (0.25, 0.5),
    "right": (0.75, 0.5),
    "top": (0.5, 0.25),
    "bottom": (0.5, 0.75),
    "centre": (0.5, 0.5),
}
# Shares of the picture's shorter side.
SIZES: Mapping[str, tuple[float, float]] = {"small": (0.2, 0.27), "": (0.3, 0.45), "large": (0.5, 0.62)}
LONGEST_WORD = 8
_LARGEST_OF_SEVERAL = 0.31

# Places of several shapes, that don't overlap, in the order in which a prompt names them.
_APART = {
    2: (("left", "right"), ("right", "left"), ("top", "bottom"), ("bottom", "top"), ("left", "centre")),
    3: (("left", "centre", "right"), ("top", "centre", "bottom"), ("left", "top", "right")),
}
_ONE_IN = 5
_CONSONANTS, _VOWELS, _DIGITS = "BCDFGHJKLMNPQRSTVWXYZ", "AEIOU", "0123456789"
LETTERS = _CONSONANTS + _VOWELS + _DIGITS


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of one flat colour. `centre` and `side` are shares: of width and height, and of the shorter side."""

    name: str
    colour: str
    centre: tuple[float, float]
    side: float
    place: str = ""
    size: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows. `second` is the colour of stripes, dots and the far end of a gradient."""

    background: str
    shapes: Sequence[Shape] = ()
    pattern: str = "plain"
    second: str = "white"
    word: str = ""
    word_colour: str = "white"


def is_held_out(shape: str, colour: str, background: str) -> bool:
    """Whether training never sees a shape of this colour on this background."""
    return zlib.crc32(f"{shape} {colour} {background}".encode()) % _ONE_IN == 0


def is_held_out_word(word: str) -> bool:
    """Whether training never sees this word, which is written in capitals."""
    return zlib.crc32(word.encode()) % _ONE_IN == 0


def contrast(colour: str) -> str:
    """Black or white, whichever is read more easily on this colour."""
    red, green, blue = COLOURS[colour]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"


def random_word(rng: Random) -> str:
    """1 to 8 letters and digits that training may see: half of them can be pronounced."""
    while True:
        length = rng.choices(range(1, LONGEST_WORD + 1), (1, 2, 4, 5, 5, 4, 2, 1))[0]
        if rng.random() < 0.5:
            letters = [rng.choice(_CONSONANTS if place % 2 else _VOWELS) for place in range(rng.randint(0, 1), 9)]
        else:
            letters = rng.choices(_CONSONANTS + _VOWELS + _DIGITS * rng.randint(0, 1), k=LONGEST_WORD)
        word = "".join(letters[:length])
        if not is_held_out_word(word):
            return word


def random_scene(rng: Random) -> Scene:
    """A scene that training may see."""
    kind = rng.random()
    if kind < 0.35:
        return _with_shapes(rng, 1)
    if kind < 0.5:
        return _with_shapes(rng, rng.randint(2, 3))
    if kind < 0.9:
        return _poster(rng)
    return replace(_with_shapes(rng, 1, places=("top",)), word=random_word(rng))


def _poster(rng: Random) -> Scene:
    background = _colour(rng)
    ink = contrast(background) if rng.random() < 0.6 else _colour(rng, background)
    return Scene(background, word=random_word(rng), word_colour=ink)


def exact(scene: Scene) -> Scene:
    """The scene with all shapes exactly where a prompt puts them, in the one size that it means.

    The AR model learns from these. Where it could not know the next token, top-p would leave background alone.
    """
    is_alone = len(scene.shapes) == 1
    shapes = [replace(one, centre=_middle(one.place), side=sum(_sides(one.size, is_alone)) / 2) for one in scene.shapes]
    return replace(scene, shapes=tuple(shapes))


def random_shapes(rng: Random, num: int) -> Scene:
    """A scene of so many shapes and no word, that training may see."""
    return _with_shapes(rng, num)


def _with_shapes(rng: Random, num: int, places: Sequence[str] = ()) -> Scene:
    while True:
        background = _colour(rng)
        pattern = "plain" if rng.random() < 0.6 else rng.choice(PATTERNS)
        chosen = places or (rng.choice(_APART[num]) if num > 1 else (rng.choice((*PLACES, "", "", "")),))
        shapes = tuple(_shape(rng, background, place, is_alone=num == 1) for place in chosen)
        if not any(is_held_out(shape.name, shape.colour, background) for shape in shapes):
            scene = Scene(background, shapes, pattern, _colour(rng, background))
            return replace(scene, word_colour=contrast(background))


def _shape(rng: Random, background: str, place: str, *, is_alone: bool) -> Shape:
    size = rng.choice(("", "", "small", "large")) if is_alone and not place else rng.choice(("", "small"))
    x, y = _middle(place)
    slack = 0.02 if place else 0.1
    centre = (x + rng.uniform(-slack, slack), y + rng.uniform(-slack, slack))
    side = rng.uniform(*_sides(size, is_alone))
    return Shape(rng.choice(SHAPES), _colour(rng, background), centre, side, place, size)


def _middle(place: str) -> tuple[float, float]:
    return PLACES[place or "centre"]


def _sides(size: str, is_alone: bool) -> tuple[float, float]:
    least, most = SIZES[size]
    return least, most if is_alone else min(most, _LARGEST_OF_SEVERAL)


def _colour(rng: Random, other_than: str = "") -> str:
    return rng.choice([name for name in COLOURS if name != other_than])
