"""Runs the periodic work on the store: recovery of renders, expiry, retention, hints and the check of the store's
clock.
"""

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
from shared.store.core.state_version import VERSION

_MOST_AT_ONCE = 500  # entries for each script call, which then takes a few milliseconds
MOST_PURGED = 100  # jobs, each of up to 16 renders
_NO_WORKER = {"code": "no_worker", "message": "no process that enhances prompts was running"}


@dataclass(frozen=True, slots=True)
class Backlog:
    """The backlog of a queue: its waiting work, the slots of its live workers, and its hints (Celery messages that wake
    workers).
    """

    waiting: int
    slots: int
    hints: int


@dataclass(frozen=True, slots=True)
class Stall:
    """The result of a check whether a stage is stalled. `was_stalled` is the result of the previous check, which
    another upkeep process may have made.
    """

    is_stalled: bool
    was_stalled: bool


class UpkeepStore:
    """Runs the periodic work on the store. Every call may be repeated and does a limited amount of work. So any number
    of upkeep processes may run at the same time.
    """

    def __init__(self, client: Client) -> None:
        self._scripts = Scripts(client)

    def keep_clock(self) -> None:
        """Checks whether somebody set the system clock of the store's server, and corrects the scripts' clock. So
        leases and delays keep their length.
        """
        self._scripts.clock.keep()

    def bring_up_to_date(self) -> tuple[bool, int]:
        """Brings up to 100 ended jobs of an earlier version of the state up to date. Returns whether all jobs are up to
        date now, and the number of jobs of this call.
        """
        are_all, num = self._scripts.run("update", VERSION, MOST_PURGED)
        return bool(are_all), num

    def backlog(self, queue: Queue) -> Backlog:
        """Returns the backlog of a queue: its waiting work, the slots of its live workers, and its hints (Celery
        messages that wake workers).
        """
        return Backlog(*self._scripts.run("backlog", queue, celery_list(queue)))

    def has_work(self) -> bool:
        """Returns whether the store has unfinished work: accepted renders, prompt enhancements or batches that have not
        ended.
        """
        return bool(self._scripts.run("has_work"))

    def send_hints(self, message: HintMessage, most: int) -> int:
        """Sends hints (Celery messages that wake workers) to a queue, up to `most` of those that it lacks. Returns the
        number of hints sent.
        """
        args = (message.queue, celery_list(message.queue), message.text, uuid4().hex, most)
        return int(self._scripts.run("send_hints", *args))

    def rescue(self, poison_strikes: int) -> tuple[int, int]:
        """Recovers renders whose lease has expired. Returns the number of renders that wait again, and the number that
        failed because they crashed workers `poison_strikes` times.

        After an outage of the store, renders are recovered only once the length of one lease has passed (see
        pulse.lua).
        """
        rescued, failed = self._scripts.run("rescue", _MOST_AT_ONCE, poison_strikes)
        return rescued, failed

    def take_back(self, worker: WorkerId, poison_strikes: int) -> tuple[int, int]:
        """Recovers at once all renders of a worker whose process was seen to end. Returns the number of renders that
        wait again, and the number that failed because they crashed workers `poison_strikes` times.

        Also frees the worker's leases on webhook deliveries, manifests, prompts, content checks and batches.
        """
        taken_back, failed, _ = self._scripts.run("take_back", worker, poison_strikes)
        return taken_back, failed

    def heal_shares(self) -> int:
        """Adds tenants with waiting renders to the pools of the fair share if they are missing there. Workers claim
        only from pools. Returns the number of tenants that were missing.

        A call reads only some of the lanes.
        """
        return int(self._scripts.run("heal_shares", _MOST_AT_ONCE))

    def reroute(self) -> int:
        """Moves renders that wait for a model revision without live AR workers to a revision with live AR workers.

        Returns the number of moved renders.
        """
        return int(self._scripts.run("reroute", _MOST_AT_ONCE, _MOST_AT_ONCE))

    def look_for_stalls(self, prior_ready_limit_min: int, lasting_s: float) -> Mapping[Stage, Stall]:
        """Checks whether the stages are stalled, stores the results, and returns them by stage.

        A stage is stalled if no render was claimed for `lasting_s` although live workers with free slots could have
        claimed one.
        """
        answer = self._scripts.run("stalls", prior_ready_limit_min, int(lasting_s * 1000))
        return {stage: Stall(*map(bool, found)) for stage, found in zip(Stage, answer, strict=True)}

    def expire(self) -> int:
        """Expires renders whose time limit is over. Returns the number of expired renders."""
        return int(self._scripts.run("expire", _MOST_AT_ONCE))

    def abandon_enhancements(self, patience_s: float) -> int:
        """Queues jobs for AR with their original prompt if no worker enhances prompts. Returns the number of these
        jobs.

        A job is queued when its prompt has been due for `patience_s` and no enhancement worker lives.
        """
        args = (int(patience_s * 1000), MOST_PURGED, json.dumps(_NO_WORKER))
        return int(self._scripts.run("abandon_enhancements", *args))

    def delete_due_jobs(self) -> int:
        """Deletes up to 100 jobs whose `delete_after_s` is over. Returns the number of deleted jobs."""
        return int(self._scripts.run("delete_due_jobs", MOST_PURGED))

    def purge(self, retention_s: int) -> bool:
        """Purges up to 100 jobs that ended more than `retention_s` ago. Returns whether there may be more."""
        return int(self._scripts.run("purge", retention_s * 1000, MOST_PURGED)) == MOST_PURGED

    def purge_usage(self, kept_days: int) -> bool:
        """Deletes the usage of up to 100 months of tenants that ended more than `kept_days` ago. Returns whether there
        may be more.
        """
        return int(self._scripts.run("purge_usage", kept_days * 86_400_000, MOST_PURGED)) == MOST_PURGED

    def purge_idempotency(self) -> bool:
        """Deletes up to 500 expired Idempotency-Keys. Returns whether there may be more."""
        return int(self._scripts.run("purge_idempotency", _MOST_AT_ONCE)) == _MOST_AT_ONCE
