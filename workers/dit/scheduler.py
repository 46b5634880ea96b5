"""Chooses whose denoise step is next. Plain Python: knows render ids, classes and sizes, no tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.geometry import GridSize
from shared.ids import RenderId
from shared.jobs.leases import Claim
from workers.engine.class_turns import ClassTurns

_FLOOR = 0.1  # the share of the steps that a pre-empted class keeps: as much as claims leave it by default


@dataclass(slots=True)
class _Turn:
    render_id: RenderId
    rank: int
    age: int
    size: GridSize
    has_begun: bool = False
    is_alone: bool = False

    @property
    def order(self) -> tuple[int, bool, int]:
        """The most urgent class first; in it what has begun, so that it ends; then the oldest claim."""
        return (self.rank, not self.has_begun, self.age)


class Scheduler:
    """Every render to its end, by class, then age: a forward fills the device, so taking turns would only delay all.

    Only a strictly higher class pre-empts, between two denoise steps. The state of a pre-empted render is kept, and its
    class has a floor of the steps meanwhile. Renders share a step only where `max_batch` says that their size gains
    from it, whatever the load.
    """

    def __init__(self, max_batch: Callable[[GridSize], int], floor: float = _FLOOR) -> None:
        self._max_batch = max_batch
        self._classes = ClassTurns(floor)
        self._turns: dict[RenderId, _Turn] = {}
        self._num_seen = 0

    def add(self, claim: Claim) -> None:
        self._num_seen += 1
        self._turns[claim.render_id] = _Turn(claim.render_id, claim.priority.rank, self._num_seen, claim.settings.grid)

    def remove(self, render_id: RenderId) -> None:
        del self._turns[render_id]

    def separate(self, render_id: RenderId) -> None:
        """From now on this one shares no step: it failed in company."""
        self._turns[render_id].is_alone = True

    def next_batch(
        self, is_ready: Callable[[RenderId], bool], fits: Callable[[Sequence[RenderId]], bool] = lambda _: True
    ) -> Sequence[RenderId]:
        """Who gets the next step: renders of one class and size; none while nobody is ready.

        A render that is not ready yet keeps nobody waiting; its age is as good when it is. One that does not fit
        beside what has begun waits for its end; nothing else begins before it then.
        """
        ready = sorted(
            (turn for turn in self._turns.values() if turn.has_begun or is_ready(turn.render_id)),
            key=lambda turn: turn.order,
        )
        ready = list(_up_to_the_first_too_large(ready, fits))
        begun = [turn.rank for turn in ready if turn.has_begun]
        rank = self._classes.next_rank([ready[0].rank, *begun]) if ready else None
        ready = [turn for turn in ready if turn.rank == rank]
        chosen = list(self._with_company(ready[0], ready[1:])) if ready else []
        while len(chosen) > 1 and not fits([turn.render_id for turn in chosen]):
            chosen.pop()
        for turn in chosen:
            turn.has_begun = True
        return [turn.render_id for turn in chosen]

    def _with_company(self, first: _Turn, others: Sequence[_Turn]) -> Sequence[_Turn]:
        if first.is_alone:
            return [first]
        company = [turn for turn in others if (turn.rank, turn.size) == (first.rank, first.size) and not turn.is_alone]
        return [first, *company][: self._max_batch(first.size)]


def _up_to_the_first_too_large(turns: Sequence[_Turn], fits: Callable[[Sequence[RenderId]], bool]) -> Sequence[_Turn]:
    """Returns all that have begun, and of the others those before the first that does not fit."""
    too_large = next((turn for turn in turns if not turn.has_begun and not fits([turn.render_id])), None)
    if too_large is None:
        return turns
    place = turns.index(too_large)
    return [*turns[:place], *(turn for turn in turns[place:] if turn.has_begun)]
