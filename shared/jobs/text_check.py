"""Defines the text check of a picture: the request for it, what was read, and its result. Does no I/O."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

MOST_REDRAWS = 10  # of one picture; each costs as much device time as a new picture
_FROZEN = ConfigDict(hide_input_in_errors=True, frozen=True)


class TextCheck(BaseModel):
    """The request to read the text in each picture and to compare it with the quoted text of the prompt.

    While the text is wrong, the picture is drawn again with another seed, at most `redraws` times.
    """

    model_config = _FROZEN

    redraws: int


class Reading(BaseModel):
    """The text that was read in a picture. `is_match` says that each quoted word was read. `edit_distance` is 0 if each
    quoted text is spelled exactly, and 1 if nothing of any was found (shared/spelling/scores.py).
    """

    model_config = _FROZEN

    text: str
    is_match: bool
    edit_distance: float


class TextResult(BaseModel):
    """The result of a text check: what was read in the picture that is kept, and how often it was drawn again.

    `reading` is None if the text of this picture was not read. `error` says why a text was not read.
    """

    model_config = _FROZEN

    num_redraws: int = 0
    reading: Reading | None = None
    error: Mapping[str, str] | None = None
