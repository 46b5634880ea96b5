"""Finds control tokens, such as `<|image|>`, in a user's text. Knows no tokenizer."""

from collections import defaultdict
from collections.abc import Collection, Iterator


class ControlTokens:
    """The strings that a tokenizer reads as control tokens.

    GLM-Image's tokenizer has 16,516 of them, one for each visual token. Searching for each of them took 9 ms for a
    prompt of 3,400 characters, and no other thread could run meanwhile. All of them begin with one of a few characters,
    and have one of some twenty lengths. So only substrings with such a beginning and length are looked up.
    """

    def __init__(self, tokens: Collection[str]) -> None:
        self._tokens = frozenset(tokens)
        lengths = defaultdict[str, set[int]](set)
        for token in self._tokens:
            lengths[token[0]].add(len(token))
        self._lengths = {first: sorted(found) for first, found in lengths.items()}

    def are_in(self, text: str) -> bool:
        """Returns whether the text contains at least one control token."""
        return any(part in self._tokens for part in self.candidates(text))

    def candidates(self, text: str) -> Iterator[str]:
        """Yields the substrings of the text that begin like a control token and are as long as one."""
        for first, lengths in self._lengths.items():
            start = text.find(first)
            while start >= 0:
                for length in lengths:
                    yield text[start : start + length]
                start = text.find(first, start + 1)
