"""The periodic work on the store: rescue, expiry, retention, hints and the scripts' clock."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from shared.hints.message import HintMessage
from shared.hints.queues import Queue, celery_list
from shared.ids import WorkerId
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts

_MOST_AT_ONCE = 500  # keeps one script call to a few milliseconds
MOST_PURGED = 100  # jobs, each of up to 16 renders
_NO_WORKER = {"code": "no_worker", "message": "no process that enhances prompts was running"}


@dataclass(frozen=True, slots=True)
class Backlog:
    """The length of a queue: waiting renders or deliveries, slots of live workers, and hints in the queue."""

    waiting: int
    slots: int
    hints: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Whether a stage stands still, and whether it did when any upkeep process looked before."""

    is_stalled: bool
    was_stalled: bool


class UpkeepStore:
    """Each call is idempotent and bounded: any number of upkeep processes may run."""

    def __init__(self, client: Client) -> None:
        self._scripts = Scripts(client)

    def keep_clock(self) -> None:
        """Checks whether the store's system clock was set, so that leases and delays keep their length."""
        self._scripts.clock.keep()

    def backlog(self, queue: Queue) -> Backlog:
        return Backlog(*self._scripts.run("backlog", queue, celery_list(queue)))

    def has_work(self) -> bool:
        """Returns whether any accepted work is unfinished."""
        return bool(self._scripts.run("has_work"))

    def send_hints(self, message: HintMessage, most: int) -> int:
        """Sends the hints that the message's queue is short of, up to `most`; returns how many were sent."""
        args = (message.queue, celery_list(message.queue), message.text, uuid4().hex, most)
        return int(self._scripts.run("send_hints", *args))

    def rescue(self, poison_strikes: int) -> tuple[int, int]:
        """Takes back renders whose lease ended. Returns how many were requeued and how many failed as poison.

        After an outage of the store nothing is taken back for the length of one lease: see pulse.lua.
        """
        rescued, failed = self._scripts.run("rescue", _MOST_AT_ONCE, poison_strikes)
        return rescued, failed

    def take_back(self, worker: WorkerId, poison_strikes: int) -> tuple[int, int]:
        """Takes back at once all renders of a worker whose process was seen to end. Returns the same counts as
        `rescue`.

        Its leases of webhooks, manifests, prompts and batches are freed, too.
        """
        taken_back, failed, _ = self._scripts.run("take_back", worker, poison_strikes)
        return taken_back, failed

    def heal_shares(self) -> int:
        """Repairs a part of the fair-share pools: tenants with waiting renders that are in none. Returns how many."""
        return int(self._scripts.run("heal_shares", _MOST_AT_ONCE))

    def reroute(self) -> int:
        """Moves renders that wait for an AR revision without workers to a revision that has some; returns how many."""
        return int(self._scripts.run("reroute", _MOST_AT_ONCE, _MOST_AT_ONCE))

    def look_for_stalls(self, prior_ready_limit_min: int, lasting_s: float) -> Mapping[Stage, Stall]:
        """Records in the store whether a stage is stalled: nothing was claimed for `lasting_s`, though work waits that
        live workers with free slots could take. Returns it for each stage.
        """
        answer = self._scripts.run("stalls", prior_ready_limit_min, int(lasting_s * 1000))
        return {stage: Stall(*map(bool, found)) for stage, found in zip(Stage, answer, strict=True)}

    def expire(self) -> int:
        """Expires renders past their time limit; returns how many."""
        return int(self._scripts.run("expire", _MOST_AT_ONCE))

    def abandon_enhancements(self, patience_s: float) -> int:
        """Queues jobs for AR with the original prompt when no enhancement worker lives and they were due for
        `patience_s`.

        Returns how many.
        """
        args = (int(patience_s * 1000), MOST_PURGED, json.dumps(_NO_WORKER))
        return int(self._scripts.run("abandon_enhancements", *args))

    def purge(self, retention_s: int) -> bool:
        """Forgets up to a hundred jobs that ended more than `retention_s` ago. Returns whether there may be more."""
        return int(self._scripts.run("purge", retention_s * 1000, MOST_PURGED)) == MOST_PURGED

    def purge_idempotency(self) -> bool:
        """Deletes up to 500 Idempotency-Keys whose time is over. Returns whether there may be more."""
        return int(self._scripts.run("purge_idempotency", _MOST_AT_ONCE)) == _MOST_AT_ONCE
