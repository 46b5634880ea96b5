"""Draws the held-out prompts that are judged, each with its seed. The same number always gives the same case."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from benchmarks.demo_model.colours import is_between
from workers.checkpoint.demo.world.edits import Edit, held_out_edit
from workers.checkpoint.demo.world.prompts import prompt_of
from workers.checkpoint.demo.world.scenes import (
    COLOURS,
    PATTERNS,
    PLACES,
    SHAPES,
    SIZES,
    Scene,
    Shape,
    contrast,
    is_held_out,
    is_held_out_word,
)

KINDS = ("scene", "text", "edit")
_CONSONANTS, _VOWELS = "BCDFGHJKLMNPQRSTVWXYZ", "AEIOU"


@dataclass(frozen=True, slots=True)
class Case:
    """A prompt to judge. `scene` is the expected content of the picture; `edit` is set only for edits."""

    name: str
    prompt: str
    seed: int
    scene: Scene
    edit: Edit | None = None

    @property
    def before(self) -> Sequence[Scene]:
        """Returns the scenes of the condition images."""
        return self.edit.before if self.edit else ()


def cases_of(kind: str, num: int) -> list[Case]:
    """Returns the first `num` cases of a kind. Raises `ValueError` if fewer are held out."""
    if kind == "scene":
        return list(_scenes(num))
    make = {"text": _text, "edit": _edit}[kind]
    return [make(f"{kind}-{number:03}", number) for number in range(num)]


def _scenes(num: int) -> Iterator[Case]:
    """Yields scenes with one shape at one place.

    No triple of shape, colour and background repeats at the same place.
    """
    triples = [
        triple for triple in product(SHAPES, COLOURS, COLOURS) if triple[1] != triple[2] and is_held_out(*triple)
    ]
    combinations = list(product(triples, PLACES))
    if num > len(combinations):
        raise ValueError(f"there are only {len(combinations)} held-out triples and places, and {num} were asked for")
    Random("scenes").shuffle(combinations)
    for number, (triple, place) in enumerate(combinations[:num]):
        name = f"scene-{number:03}"
        rng = Random(name)
        scene = _scene(rng, triple, place)
        yield Case(name, prompt_of(scene, rng), number, scene)


def _scene(rng: Random, triple: tuple[str, str, str], place: str) -> Scene:
    """Draws the pattern and second colour of a scene as in training, until the shape differs clearly from the
    background.
    """
    name, colour, background = triple
    size = rng.choice(("", "small"))
    shape = Shape(name, colour, PLACES[place], sum(SIZES[size]) / 2, place, size)
    while True:
        pattern = "plain" if rng.random() < 0.6 else rng.choice(PATTERNS)
        second = rng.choice([other for other in COLOURS if other not in (background, colour)])
        scene = Scene(background, (shape,), pattern, second)
        if not is_between(colour, scene):
            return scene


def _text(name: str, number: int) -> Case:
    rng = Random(name)
    background = rng.choice(list(COLOURS))
    others = [colour for colour in COLOURS if colour != background]
    ink = contrast(background) if rng.random() < 0.6 else rng.choice(others)
    scene = Scene(background, word=_word(rng), word_colour=ink)
    return Case(name, prompt_of(scene, rng), number, scene)


def _word(rng: Random) -> str:
    """Draws a word of 3 to 6 letters that is held out from training. Half of the words can be pronounced."""
    while True:
        if rng.random() < 0.5:
            letters = [rng.choice(_CONSONANTS if place % 2 else _VOWELS) for place in range(rng.randint(0, 1), 9)]
        else:
            letters = rng.choices(_CONSONANTS + _VOWELS, k=6)
        word = "".join(letters[: rng.randint(3, 6)])
        if is_held_out_word(word):
            return word


def _edit(name: str, number: int) -> Case:
    edit = held_out_edit(Random(name))
    return Case(name, edit.instruction, number, edit.after, edit)
