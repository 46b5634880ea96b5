"""Chooses whose denoise step is next. Plain Python: knows render ids, no tensors."""

from collections import deque

from shared.ids import RenderId


class Scheduler:
    """First come, first served, each to its end: a forward fills the device, so taking turns would only delay all.

    The only place that decides this. A class that may pre-empt another changes `next_render` and nothing else, since
    a render's state waits between any two steps.
    """

    def __init__(self) -> None:
        self._waiting: deque[RenderId] = deque()

    def add(self, render_id: RenderId) -> None:
        self._waiting.append(render_id)

    def remove(self, render_id: RenderId) -> None:
        self._waiting.remove(render_id)

    def next_render(self) -> RenderId | None:
        """Who gets the next step; None when nobody waits."""
        return self._waiting[0] if self._waiting else None
