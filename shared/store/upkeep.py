"""What keeps the store true without a client or a worker: rescue, retention, and how full the queues are."""

import json
from dataclasses import dataclass
from uuid import uuid4

from shared.hint_message import HintMessage
from shared.ids import WorkerId
from shared.queues import Queue, celery_list
from shared.store.connect import Client
from shared.store.scripts import Scripts

_MOST_AT_ONCE = 500  # keeps one script call to a few milliseconds
MOST_PURGED = 100  # jobs, each of up to 16 renders
_NO_WORKER = {"code": "no_worker", "message": "no process that enhances prompts was running"}


@dataclass(frozen=True, slots=True)
class Backlog:
    """Renders or deliveries that wait, slots of live workers, hints that the queue holds already."""

    waiting: int
    slots: int
    hints: int


class UpkeepStore:
    """Each call is idempotent and bounded: any number of upkeep processes may run."""

    def __init__(self, client: Client) -> None:
        self._scripts = Scripts(client)

    def keep_clock(self) -> None:
        """Notices where the store's clock was set, so that what is due stays due when it was."""
        self._scripts.clock.keep()

    def backlog(self, queue: Queue) -> Backlog:
        return Backlog(*self._scripts.run("backlog", queue, celery_list(queue)))

    def has_work(self) -> bool:
        """Whether anything that was accepted is unfinished."""
        return bool(self._scripts.run("has_work"))

    def send_hints(self, message: HintMessage, most: int) -> int:
        """Sends what its queue lacks, up to `most`; returns how many were sent."""
        args = (message.queue, celery_list(message.queue), message.text, uuid4().hex, most)
        return int(self._scripts.run("send_hints", *args))

    def rescue(self, poison_strikes: int) -> tuple[int, int]:
        """Takes back renders whose lease ended. Returns how many were sent back and how many proved to be poison.

        After the store stood still nothing is taken back for one lease length: see pulse.lua.
        """
        rescued, failed = self._scripts.run("rescue", _MOST_AT_ONCE, poison_strikes)
        return rescued, failed

    def take_back(self, worker: WorkerId, poison_strikes: int) -> tuple[int, int]:
        """As `rescue`, at once, for whoever saw the worker's process end. Returns the same two numbers.

        Webhooks, manifests, prompts and batches that it had leased are free for others, too.
        """
        taken_back, failed, _ = self._scripts.run("take_back", worker, poison_strikes)
        return taken_back, failed

    def heal_shares(self) -> int:
        """Tenants of whom something waits compete again if they do not; looks at a part. Returns how many did not."""
        return int(self._scripts.run("heal_shares", _MOST_AT_ONCE))

    def reroute(self) -> int:
        """What waits for an AR worker of a revision that is gone goes to those that are there; returns how many."""
        return int(self._scripts.run("reroute", _MOST_AT_ONCE, _MOST_AT_ONCE))

    def expire(self) -> int:
        """Ends renders whose time is over; returns how many."""
        return int(self._scripts.run("expire", _MOST_AT_ONCE))

    def abandon_enhancements(self, patience_s: float) -> int:
        """Without a live worker for them, jobs due for longer go on with the prompt as it is; returns how many."""
        args = (int(patience_s * 1000), MOST_PURGED, json.dumps(_NO_WORKER))
        return int(self._scripts.run("abandon_enhancements", *args))

    def purge(self, retention_s: int) -> bool:
        """Forgets jobs that ended longer ago, up to a hundred. Returns whether there may be more."""
        return int(self._scripts.run("purge", retention_s * 1000, MOST_PURGED)) == MOST_PURGED
