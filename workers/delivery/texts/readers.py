"""Defines how the text in a picture is read, and reads it by the operator's hook."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from shared.store.checks.checks import CheckClaim
from workers.delivery.content.errors import NoVerdict
from workers.delivery.content.hook import Hook
from workers.delivery.content.question import Questions


class TextReader(Protocol):
    """Reads the text in the picture of a text check. Raises `NoVerdict`, `ObjectNotFound` and `ObjectStoreUnavailable`.

    It yields several texts if it reads the picture in several ways. The caller stops when one of them is right.
    """

    def read(self, claim: CheckClaim) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class HookReader:
    """Asks the operator's hook for the text."""

    hook: Hook[str]
    questions: Questions

    def read(self, claim: CheckClaim) -> Iterator[str]:
        """Yields the text that the hook has read."""
        yield self.hook.ask(self.questions.of_text(claim))


def text_of(body: bytes) -> str:
    """Returns the text in the response of a text hook: `{"text": "..."}`. Raises `NoVerdict` for any other body."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NoVerdict("unreadable_answer", "the response is not JSON") from error
    text = found.get("text") if isinstance(found, dict) else None
    if not isinstance(text, str):
        raise NoVerdict("unreadable_answer", 'the response has no "text" with all text in the picture')
    readable = text.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else " " for letter in readable)
