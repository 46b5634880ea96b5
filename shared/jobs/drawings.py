"""Decides what follows after the text of a picture was read: keep the picture, or draw it again. Does no I/O.

A drawing is one of the pictures that are rendered for a text check. One of them is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict

from shared.jobs.job import Picture
from shared.jobs.spec import JobSpec
from shared.jobs.text_check import Reading, TextResult
from shared.jobs.usage import Amounts, Used


class Drawing(BaseModel):
    """A stored picture with its seed. `reading` is None if its text was not read."""

    model_config = ConfigDict(frozen=True)

    picture: Picture
    seed: int
    reading: Reading | None = None


class Drawings(BaseModel):
    """What a render's record says about its text check. While the picture is drawn again, `best` is the best drawing so
    far, and `spent` is what all earlier drawings used. At the end there is only the `result`.
    """

    model_config = ConfigDict(frozen=True)

    num_redraws: int = 0
    best: Drawing | None = None
    spent: Amounts = Amounts()
    result: TextResult | None = None

    def as_text(self) -> str:
        """Returns the record as JSON."""
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def parse(cls, text: str | None) -> "Drawings":
        """Parses the text of `as_text`. Returns an empty record for None and ''. Raises `ValueError` for other text."""
        return cls.model_validate_json(text) if text else cls()


@dataclass(frozen=True, slots=True)
class Redraw:
    """The decision to draw a picture again with `seed`. The objects of `discarded` are deleted."""

    drawings: Drawings
    seed: int
    discarded: Picture | None


@dataclass(frozen=True, slots=True)
class Keep:
    """The decision to keep a drawing. `used` is what all drawings used together; None if that is unknown."""

    drawing: Drawing
    result: TextResult
    used: Used | None
    discarded: Picture | None


def decide(
    spec: JobSpec,
    index: int,
    before: Drawings,
    new: Drawing,
    *,
    used: Used | None,
    error: Mapping[str, str] | None = None,
) -> Redraw | Keep:
    """Decides after a new drawing of the picture with this index. `used` is what the new drawing used.

    A drawing whose text matches is kept. So is the best one when the redraws are used up, or when a text could not be
    read (`error` says why): another drawing would not be read either. Of equally good drawings the first one is best.
    """
    best = before.best
    is_better = best is None or _distance(new) < _distance(best)
    kept, other = (new, best) if is_better else (best, new)
    assert kept
    discarded = other.picture if other else None
    spent = before.spent + _work_of(used.amounts) if used else before.spent
    most = spec.text_check.redraws if spec.text_check else 0
    is_match = new.reading is not None and new.reading.is_match
    if error is None and not is_match and before.num_redraws < most:
        num_redraws = before.num_redraws + 1
        drawings = Drawings(num_redraws=num_redraws, best=kept, spent=spent)
        return Redraw(drawings, seed_of_redraw(spec, index, num_redraws), discarded)
    if used:
        used = replace(used, amounts=replace(spent, pictures=1, stored_bytes=kept.picture.num_bytes))
    result = TextResult(num_redraws=before.num_redraws, reading=kept.reading, error=error)
    return Keep(kept, result, used, discarded)


def seed_of_redraw(spec: JobSpec, index: int, number: int) -> int:
    """Returns the seed of a redraw, counted from 1: the next seed that no other picture of the job has.

    With n pictures, picture i is drawn with seed + i, then with seed + n + i, and so on, modulo 2^53.
    """
    return spec.seed_of(index + number * spec.n)


def _distance(drawing: Drawing) -> float:
    """Returns the edit distance of a drawing. A match comes before all others, and an unread drawing comes last."""
    reading = drawing.reading
    if reading is None:
        return 2.0
    return -1.0 if reading.is_match else reading.edit_distance


def _work_of(amounts: Amounts) -> Amounts:
    """Returns the work for a drawing, without the picture: only the kept drawing counts as a stored picture."""
    return replace(amounts, pictures=0, stored_bytes=0, webhooks=0)
