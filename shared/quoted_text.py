"""Quoted text, which GLM-Image draws letter by letter: what a prompt quotes, and whether a rewritten one kept it."""

import re
from collections import Counter
from collections.abc import Iterator

# A straight or curly single quote between two letters is an apostrophe.
_PAIRS = (
    r'"[^"]*"',
    r"(?<!\w)'(?:[^']|(?<=\w)'(?=\w))*'(?!\w)",
    r"“[^“”]*”",
    r"‘(?:[^‘’]|(?<=\w)’(?=\w))*’(?!\w)",
    r"「[^「」]*」",
    r"『[^『』]*』",
    r"«[^«»]*»",
)
_QUOTED = tuple(re.compile(pair) for pair in _PAIRS)
_QUOTED_OR_APOSTROPHE = re.compile("|".join((*_PAIRS, r"(?<=\w)'")))


def quoted(prompt: str) -> Counter[str]:
    """Every quoted text with its marks, and how often it is there. Each kind of mark is read by itself."""
    return Counter(_find(prompt))


def quoted_texts(prompt: str) -> list[str]:
    """Every quoted text without its marks, kind by kind of marks."""
    return [text[1:-1] for text in _find(prompt)]


def lost(prompt: str, rewritten: str) -> list[str]:
    """What `prompt` quotes and `rewritten` does not, or not as often; [] when every letter is there."""
    return list(quoted(prompt) - quoted(rewritten))


def invented(prompt: str, rewritten: str) -> list[str]:
    """What `rewritten` quotes though `prompt` does not: it would be drawn, and nobody asked for it."""
    return [text for text in quoted(rewritten) if text not in prompt]


def with_curly_apostrophes(prompt: str) -> str:
    """Straight ones outside quoted text become ’: the drawing model takes what stands between any two for quoted."""
    return _QUOTED_OR_APOSTROPHE.sub(lambda found: "’" if found[0] == "'" else found[0], prompt)


def without_quotes(prompt: str) -> str:
    """What is left when every quoted text is taken out."""
    for pattern in _QUOTED:
        prompt = pattern.sub("", prompt)
    return prompt


def _find(prompt: str) -> Iterator[str]:
    for pattern in _QUOTED:
        yield from pattern.findall(prompt)
