"""Keeps one process per role running, tier after tier. The caller passes the time; nothing here sleeps or prints."""

from collections.abc import Sequence

from cli.stack.processes.slot import Event, Role, Slot, Spawn


class Supervisor:
    """Starts a tier once the one before it is ready, restarts what dies, and ends the tiers in reverse order."""

    def __init__(self, tiers: Sequence[Sequence[Role]], spawn: Spawn) -> None:
        self._tiers = [[Slot(role, spawn) for role in tier] for tier in tiers]

    @property
    def is_ready(self) -> bool:
        """Returns whether every role accepts work."""
        return not self.waiting_for

    @property
    def was_open(self) -> bool:
        """Returns whether any role but the servers was ready once, so that work may have been accepted."""
        return any(slot.was_ever_ready for slot in self._tiers[-1])

    @property
    def waiting_for(self) -> list[str]:
        """The roles that are not ready."""
        return [slot.role.name for tier in self._tiers for slot in tier if not slot.is_ready]

    def run_once(self, now: float) -> list[Event]:
        """Observes every process once; returns the events.

        While a server is down, no role of a later tier is started: it would fail repeatedly, and its pause would grow.
        """
        events: list[Event] = []
        may_start = True
        for tier in self._tiers:
            events += [event for slot in tier for event in slot.run_once(now, may_start=may_start)]
            may_start = may_start and all(slot.is_ready for slot in tier)
        return events

    def end_once(self, now: float, *, at_once: bool) -> bool:
        """Takes one step towards the end of all roles; `at_once` kills them. Returns True when nothing is left."""
        all_ended = True
        for tier in reversed(self._tiers):
            if all_ended or at_once:
                ended = [slot.end_once(now, at_once=at_once) for slot in tier]
                all_ended = all_ended and all(ended)
        return all_ended
