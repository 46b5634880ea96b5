"""Runs the periodic work on the store: rescue, expiry, hints, retention. Every tick is idempotent."""

from dataclasses import dataclass, field

import structlog

from shared.background import note_fault
from shared.errors import StoreUnavailable
from shared.hints import Hints
from shared.queues import Queue
from shared.settings import Settings
from shared.store.upkeep import UpkeepStore

log = structlog.get_logger()

_PURGE_EVERY_S = 60.0


@dataclass(slots=True)
class Upkeep:
    """One tick at a time, by `run_once`; the loop around it only waits."""

    store: UpkeepStore
    hints: Hints
    settings: Settings
    _purged_at_s: float = field(default=float("-inf"), init=False)

    def run_once(self, now_s: float) -> None:
        """Runs one tick at `now_s` of a monotonic clock. If the store is down, the tick ends and the next one tries
        again.
        """
        try:
            self._tick(now_s)
        except StoreUnavailable as error:
            log.warning("upkeep.store_unavailable", error=str(error))
        except Exception:  # noqa: BLE001 - the next tick tries again; what comes before it in a tick is done meanwhile
            note_fault("upkeep")

    def _tick(self, now_s: float) -> None:
        self.store.keep_clock()
        rescued, poisonous = self.store.rescue(self.settings.poison_strikes)
        if rescued or poisonous:
            log.warning("upkeep.rescued", num_sent_back=rescued, num_poisonous=poisonous)
        expired = self.store.expire()
        if expired:
            log.info("upkeep.expired", num_expired=expired)
        abandoned = self.store.abandon_enhancements(self.settings.enhance_patience_s)
        if abandoned:
            log.warning("upkeep.prompts_not_enhanced", num_jobs=abandoned)
        healed = self.store.heal_shares()
        if healed:
            log.warning("upkeep.healed", num_tenants=healed)
        rerouted = self.store.reroute()
        if rerouted:
            log.warning("upkeep.rerouted", num_renders=rerouted)
        for queue in Queue:
            self.hints.top_up(queue)
        if now_s - self._purged_at_s >= _PURGE_EVERY_S and not self.store.purge(self.settings.retention_s):
            self._purged_at_s = now_s  # else the next tick goes on: jobs may end faster than a hundred a minute
