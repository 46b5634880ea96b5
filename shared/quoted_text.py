"""Finds the quoted text of prompts and compares it between prompts. GLM-Image draws quoted text letter by letter."""

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
    """Returns how often each quoted text occurs in a prompt, with its quotation marks. Each kind of mark is searched
    separately.
    """
    return Counter(_find(prompt))


def quoted_texts(prompt: str) -> list[str]:
    """Returns all quoted texts of a prompt without their quotation marks, grouped by the kind of mark."""
    return [text[1:-1] for text in _find(prompt)]


def missing_quotes(prompt: str, rewritten: str) -> list[str]:
    """Returns the quoted texts of a prompt that its rewritten version lacks, or contains less often.

    An empty list means that none is missing.
    """
    return list(quoted(prompt) - quoted(rewritten))


def added_quotes(prompt: str, rewritten: str) -> list[str]:
    """Returns the quoted texts of a rewritten prompt that the original prompt does not contain.

    The model would draw these texts although the caller did not ask for them.
    """
    return [text for text in quoted(rewritten) if text not in prompt]


def with_curly_apostrophes(prompt: str) -> str:
    """Returns the prompt with each straight apostrophe outside quoted text replaced by ’.

    GLM-Image would otherwise read the text between any two straight apostrophes as quoted text.
    """
    return _QUOTED_OR_APOSTROPHE.sub(lambda found: "’" if found[0] == "'" else found[0], prompt)


def without_quotes(prompt: str) -> str:
    """Returns the prompt without its quoted texts."""
    for pattern in _QUOTED:
        prompt = pattern.sub("", prompt)
    return prompt


def _find(prompt: str) -> Iterator[str]:
    for pattern in _QUOTED:
        yield from pattern.findall(prompt)
