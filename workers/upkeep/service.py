"""Runs the periodic work on the store: recovery, expiry, sending of hints (Celery messages that wake workers), and
purging. A tick (one round of this work) may be repeated without harm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from shared.errors import StoreUnavailable
from shared.hints.queues import Queue
from shared.metrics.catalogue import UPKEEP_LAST_TICK, UPKEEP_RESCUED
from shared.process.background import note_fault
from shared.settings.settings import Settings
from shared.store.core.state_version import VERSION
from shared.store.queues.hints import Hints
from shared.store.queues.upkeep import UpkeepStore
from workers.upkeep.measure import Measuring

log = structlog.get_logger()

_PURGE_EVERY_S = 60.0


@dataclass(slots=True)
class Upkeep:
    """Runs the steps of upkeep. A call of `run_once` runs each step once, which is a tick. The caller waits between
    ticks.
    """

    store: UpkeepStore
    hints: Hints
    settings: Settings
    measuring: Measuring | None = None
    _purged_at_s: float = field(default=float("-inf"), init=False)
    _is_up_to_date: bool = field(default=False, init=False)

    def run_once(self, now_s: float) -> None:
        """Runs one tick, in which each step of upkeep runs once. `now_s` is the time of a monotonic clock.

        If the store is unavailable, this tick ends early and the next tick tries again. If a step fails for another
        reason, the error is logged and counted, and the later steps still run.
        """
        try:
            for step in self._steps(now_s):
                _attempt(step)
            UPKEEP_LAST_TICK.set_to_current_time()
            if self.measuring:  # last, since no other step depends on it
                _attempt(partial(self.measuring.run_once, now_s))
        except StoreUnavailable as error:
            log.warning("upkeep.store_unavailable", error=str(error))
            if self.measuring:
                self.measuring.forget()

    def _steps(self, now_s: float) -> Sequence[Callable[[], None]]:
        return (
            self.store.keep_clock,
            self._rescue,
            partial(_count, log.info, "upkeep.expired", self.store.expire),
            partial(_count, log.warning, "upkeep.prompts_not_enhanced", self._abandon_enhancements),
            partial(_count, log.warning, "upkeep.healed", self.store.heal_shares),
            partial(_count, log.warning, "upkeep.rerouted", self.store.reroute),
            *(partial(self._top_up, queue) for queue in Queue),
            partial(_count, log.info, "upkeep.jobs_deleted", self.store.delete_due_jobs),
            partial(self._purge, now_s),
            self._bring_up_to_date,
        )

    def _bring_up_to_date(self) -> None:
        """Brings some more jobs of an earlier release up to date, until all are."""
        if self._is_up_to_date:
            return
        self._is_up_to_date, num = self.store.bring_up_to_date()
        if self._is_up_to_date:
            log.info("upkeep.up_to_date", num=num, version=VERSION)

    def _rescue(self) -> None:
        rescued, poisonous = self.store.rescue(self.settings.poison_strikes)
        if rescued or poisonous:
            log.warning("upkeep.rescued", num_sent_back=rescued, num_poisonous=poisonous)
        UPKEEP_RESCUED.inc(rescued)

    def _abandon_enhancements(self) -> int:
        return self.store.abandon_enhancements(self.settings.enhance_patience_s)

    def _top_up(self, queue: Queue) -> None:
        self.hints.top_up(queue)

    def _purge(self, now_s: float) -> None:
        """Purges ended jobs, Idempotency-Keys and usage past their retention.

        Runs once a minute; runs again in the next tick while records past their retention remain.
        """
        if now_s - self._purged_at_s < _PURGE_EVERY_S:
            return
        are_more = (
            self.store.purge(self.settings.retention_s),
            self.store.purge_idempotency(),
            self.store.purge_usage(self.settings.usage_kept_days),
        )
        if not any(are_more):
            # Otherwise the next tick continues, because more than a hundred jobs may end in a minute.
            self._purged_at_s = now_s


def _attempt(step: Callable[[], None]) -> None:
    try:
        step()
    except StoreUnavailable:
        raise
    except Exception:  # noqa: BLE001 - a step that always fails must not stop the other steps
        note_fault("upkeep")


def _count(write_log: Callable[..., object], event: str, step: Callable[[], int]) -> None:
    """Runs a step of upkeep that returns how many records it changed. Logs the number unless it is 0."""
    if num := step():
        write_log(event, num=num)
