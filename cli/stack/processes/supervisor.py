"""Keeps one process of each role running. The caller passes the current time; nothing here sleeps or prints."""

from collections.abc import Sequence

from cli.stack.processes.supervised_role import Event, Role, Spawn, SupervisedRole


class Supervisor:
    """Keeps the processes of all roles running. The roles are in tiers: first the embedded servers, then all others.

    Starts the roles of a tier once the previous tier is ready. Restarts processes that died. Ends the tiers in reverse
    order.
    """

    def __init__(self, tiers: Sequence[Sequence[Role]], spawn: Spawn) -> None:
        self._tiers = [[SupervisedRole(role, spawn) for role in tier] for tier in tiers]

    @property
    def is_ready(self) -> bool:
        """Returns whether every role accepts work."""
        return not self.waiting_for

    @property
    def was_open(self) -> bool:
        """Returns whether work may have been accepted: whether any role other than the servers has been ready."""
        return any(supervised.was_ever_ready for supervised in self._tiers[-1])

    @property
    def waiting_for(self) -> list[str]:
        """Returns the names of the roles that are not ready."""
        return [supervised.role.name for tier in self._tiers for supervised in tier if not supervised.is_ready]

    def run_once(self, now: float) -> list[Event]:
        """Checks every process once, and starts processes that are due. Returns the events.

        While an embedded server is down, no role that needs it is started. The role would fail repeatedly, and the
        pauses between its starts would grow.
        """
        events: list[Event] = []
        may_start = True
        for tier in self._tiers:
            events += [event for supervised in tier for event in supervised.run_once(now, may_start=may_start)]
            may_start = may_start and all(supervised.is_ready for supervised in tier)
        return events

    def end_once(self, now: float, *, at_once: bool) -> bool:
        """Takes one step to end the processes of all roles. Call it again until it returns True: no process is left.

        With `at_once`, kills all processes.
        """
        all_ended = True
        for tier in reversed(self._tiers):
            if all_ended or at_once:
                ended = [supervised.end_once(now, at_once=at_once) for supervised in tier]
                all_ended = all_ended and all(ended)
        return all_ended
