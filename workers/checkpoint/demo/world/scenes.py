"""Defines the scenes of the demonstration model (a background with shapes and a word) and makes random ones. Draws no
pictures.

Some scenes are held out, which means that training never sees them. A scene is held out if it has one of 87
combinations of shape, colour and background (of 336 in all), or if its word is in a certain fifth of all words.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from string import ascii_uppercase

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

# Places of several shapes that do not overlap, in the order in which a prompt names the shapes.
_APART = {
    2: (("left", "right"), ("right", "left"), ("top", "bottom"), ("bottom", "top"), ("left", "centre")),
    3: (("left", "centre", "right"), ("top", "centre", "bottom"), ("left", "top", "right")),
}
_ONE_IN = 5
_CONSONANTS, _VOWELS, _DIGITS = "BCDFGHJKLMNPQRSTVWXYZ", "AEIOU", "0123456789"
LETTERS = _CONSONANTS + _VOWELS + _DIGITS


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of one flat colour in a scene.

    `centre` is x and y, in shares of the picture's width and height. `side` is a share of the picture's shorter side.
    """

    name: str
    colour: str
    centre: tuple[float, float]
    side: float
    place: str = ""
    size: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """The content of a picture: a background, shapes and a word.

    `second` is the colour of stripes, of dots and of the far end of a gradient.
    """

    background: str
    shapes: Sequence[Shape] = ()
    pattern: str = "plain"
    second: str = "white"
    word: str = ""
    word_colour: str = "white"


def is_held_out(shape: str, colour: str, background: str) -> bool:
    """Returns whether this shape in this colour on this background is held out, so that training never sees it."""
    return zlib.crc32(f"{shape} {colour} {background}".encode()) % _ONE_IN == 0


def is_held_out_word(word: str) -> bool:
    """Returns whether the word is held out, which means that training never sees it. The word must be in capitals."""
    return zlib.crc32(word.encode()) % _ONE_IN == 0


def contrast(colour: str) -> str:
    """Returns "black" or "white", whichever is easier to read on this colour."""
    red, green, blue = COLOURS[colour]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"


def random_word(rng: Random) -> str:
    """Returns a random word of 1 to 8 letters and digits that is not held out from training.

    About half of the words can be pronounced, because consonants and vowels alternate in them.
    """
    while True:
        length = rng.choices(range(1, LONGEST_WORD + 1), (1, 2, 4, 5, 5, 4, 2, 1))[0]
        if rng.random() < 0.5:
            letters = [rng.choice(_CONSONANTS if place % 2 else _VOWELS) for place in range(rng.randint(0, 1), 9)]
        else:
            letters = rng.choices(_CONSONANTS + _VOWELS + _DIGITS * rng.randint(0, 1), k=LONGEST_WORD)
        word = "".join(letters[:length])
        if not is_held_out_word(word):
            return word


def other_word(word: str, rng: Random) -> str:
    """Returns a random word of letters that is as long as `word` and not held out from training."""
    while True:
        other = "".join(rng.choices(ascii_uppercase, k=len(word)))
        if not is_held_out_word(other):
            return other


def random_scene(rng: Random) -> Scene:
    """Returns a random scene (a background with shapes and a word) that is not held out from training."""
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
    """Returns the scene with each shape exactly at its named place and in the mean of its named range of sizes.

    The AR model learns from these scenes. With random deviations of place and size, the model could not predict the
    next token with confidence. Then top-p sampling would leave only the tokens of the background.
    """
    is_alone = len(scene.shapes) == 1
    shapes = [replace(one, centre=_middle(one.place), side=sum(_sides(one.size, is_alone)) / 2) for one in scene.shapes]
    return replace(scene, shapes=tuple(shapes))


def random_shapes(rng: Random, num: int) -> Scene:
    """Returns a random scene with `num` shapes and without a word. The scene is not held out from training."""
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
