"""Writes prompts: describes a scene in plain English, in one of several wordings.

The caller passes the random generator that chooses the wording.
"""

from random import Random

from workers.checkpoint.demo.world.scenes import Scene, Shape, contrast

_ARTICLES = {"orange": "an"}


def prompt_of(scene: Scene, rng: Random) -> str:
    """Returns a prompt that describes the scene (a background with shapes and a word), in one of several wordings.

    Some places and sizes in a scene have no name, because they were drawn at random. The prompt leaves them out.
    """
    parts = [_joined([_shape(shape, rng) for shape in scene.shapes])] if scene.shapes else []
    quoted = _quoted(scene.word, rng) if scene.word else ""
    if not scene.shapes:
        return _poster(scene, quoted, rng)
    prompt = f"{parts[0]} on {_background(scene, rng)}"
    return (
        f"{prompt}, {rng.choice(('with the word', 'with the text', 'that says', 'and the word'))} {quoted}"
        if quoted
        else prompt
    )


def _poster(scene: Scene, quoted: str, rng: Random) -> str:
    thing = rng.choice(("poster", "sign", "card", "banner", "page"))
    wording = rng.choice(("that says", "with the word", "with the text", "that reads", "titled"))
    ink = "" if scene.word_colour == contrast(scene.background) else f" in {scene.word_colour}"
    return f"{_a(scene.background)} {thing} {wording} {quoted}{ink}"


def _shape(shape: Shape, rng: Random) -> str:
    words = [word for word in (shape.size, shape.colour, shape.name) if word]
    phrase = f"{_article(words[0])} {' '.join(words)}"
    if not shape.place:
        return phrase
    return f"{phrase} {rng.choice(_PLACE_WORDINGS[shape.place])}"


_PLACE_WORDINGS = {
    "left": ("on the left", "at the left"),
    "right": ("on the right", "at the right"),
    "top": ("at the top", "on the top"),
    "bottom": ("at the bottom", "on the bottom"),
    "centre": ("in the centre", "in the middle", "in the center"),
}


def _background(scene: Scene, rng: Random) -> str:
    if scene.pattern == "plain":
        return f"{_a(scene.background)} background" if rng.random() < 0.8 else f"{scene.background}"
    if scene.pattern == "striped":
        return f"{_a(scene.background)} background with {scene.second} stripes"
    if scene.pattern == "dotted":
        return f"{_a(scene.background)} background with {scene.second} dots"
    return f"a background that goes from {scene.background} to {scene.second}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _quoted(word: str, rng: Random) -> str:
    opening, closing = rng.choice((('"', '"'), ('"', '"'), ("'", "'"), ("“", "”")))
    return f"{opening}{in_some_case(word, rng)}{closing}"


def in_some_case(word: str, rng: Random) -> str:
    """Returns the word in upper, title or lower case, chosen at random. Prompts may use any of these cases, but
    pictures always show capitals.
    """
    return rng.choices((word, word.capitalize(), word.lower()), (0.7, 0.18, 0.12))[0]


def _a(word: str) -> str:
    return f"{_article(word)} {word}"


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
