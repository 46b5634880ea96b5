"""Sets metrics from the state of the store and logs stalled stages.

A metric whose value is unknown is absent, never 0.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import structlog
from prometheus_client import Gauge

from shared.jobs.pauses import PauseKind
from shared.jobs.states import Stage
from shared.metrics import catalogue as m
from shared.schedule.autoscaling import ScalingRules, wanted_workers
from shared.schedule.throughput import StageLoad
from shared.settings.settings import Settings
from shared.store.copies.buckets import BucketStore
from shared.store.core.connect import Client
from shared.store.core.object_writes import ObjectWrites
from shared.store.pauses.pauses import PauseStore
from shared.store.queues.measures import Measures, MeasureStore
from shared.store.queues.throughput import ThroughputStore
from shared.store.queues.upkeep import UpkeepStore

log = structlog.get_logger()

EVERY_S = 5.0
STALLED_AFTER_S = 30.0
MOST_REVISIONS = 10  # revisions of a stage that get their own label; the others are summed up under REST
REST = "other"

_BY_STAGE = (
    m.STAGE_WAITING,
    m.STAGE_RUNNING,
    m.STAGE_SLOTS,
    m.STAGE_WORKERS,
    m.STAGE_WANTED_WORKERS,
    m.STAGE_BACKLOG_SECONDS,
    m.OLDEST_WAIT_SECONDS,
    m.STAGE_STALLED,
)
_LABELLED = (*_BY_STAGE, m.STAGE_DEAF_WORKERS, m.UNSERVED_RENDERS, m.TOO_LARGE_RENDERS, m.PAUSES)
_SINGLE = (
    m.DELIVERIES_DUE,
    m.DELIVERY_OLDEST_DUE_SECONDS,
    m.DEAD_LETTERS,
    m.BATCHES_OPEN,
    m.BUCKETS_REFUSING,
    m.STORE_USED_BYTES,
    m.STORE_MAX_BYTES,
    m.OBJECT_STORE_WRITABLE,
)


@dataclass(slots=True)
class Measuring:
    """Sets metrics from the state of the store every five seconds, as a step of upkeep's tick.

    All upkeep processes set the same values.
    """

    store: UpkeepStore
    throughput: ThroughputStore
    measures: MeasureStore
    writes: ObjectWrites
    pauses: PauseStore
    buckets: BucketStore
    settings: Settings
    stalled_after_s: float = STALLED_AFTER_S
    _measured_at_s: float = field(default=-math.inf, init=False)
    _num_losses: int = field(default=0, init=False)

    @classmethod
    def of(cls, client: Client, settings: Settings) -> "Measuring":
        return cls(
            UpkeepStore(client),
            ThroughputStore(client),
            MeasureStore(client, settings),
            ObjectWrites(client),
            PauseStore(client),
            BucketStore(client),
            settings,
        )

    def run_once(self, now_s: float) -> None:
        """Sets the metrics if five seconds have passed since the last time. `now_s` is the time of a monotonic clock.

        Raises `StoreUnavailable` after removing the values of all metrics.
        """
        if now_s - self._measured_at_s < EVERY_S:
            return
        self._measured_at_s = now_s
        try:
            self._log_stalls()
            loads = self.throughput.loads()
            self._show_stages(loads)
            self._show_workers()
            self._show_pauses()
            m.BUCKETS_REFUSING.set(self.buckets.num_refusing())
            self._show_rest(self.measures.read(), loads)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Removes the values of all metrics that this class sets, because they may be outdated. The next tick of upkeep
        measures again.
        """
        self._measured_at_s = -math.inf
        for labelled in _LABELLED:
            labelled.clear()
        for single in _SINGLE:
            single.set(math.nan)

    def _log_stalls(self) -> None:
        """Logs each stage that has stalled, and each stage that works again after a stall.

        A stage has stalled if it has waiting renders and free workers, but no claims. When several upkeep processes
        run, only the process that finds the change logs it.
        """
        stalls = self.store.look_for_stalls(self.settings.prior_ready_limit_min, self.stalled_after_s)
        for stage, stall in stalls.items():
            if stall.is_stalled and not stall.was_stalled:
                log.error("stage.stalled", stage=stage.value, unclaimed_s=self.stalled_after_s)
            if stall.was_stalled and not stall.is_stalled:
                log.info("stage.moves_again", stage=stage.value)

    def _show_stages(self, loads: Mapping[Stage, StageLoad]) -> None:
        rules = ScalingRules(self.settings.target_wait_s, self.settings.prior_ready_limit_min)
        wanted = wanted_workers(loads, rules)
        for stage, load in loads.items():
            m.STAGE_WAITING.labels(stage).set(load.waiting)
            m.STAGE_RUNNING.labels(stage).set(load.num_held)
            m.STAGE_SLOTS.labels(stage).set(load.strength.slots)
            m.STAGE_WORKERS.labels(stage).set(load.strength.workers)
            m.STAGE_WANTED_WORKERS.labels(stage).set(wanted[stage])
            m.STAGE_STALLED.labels(stage).set(load.is_stalled)
        backlogs = {stage: load.backlog_s for stage, load in loads.items()}
        show(m.STAGE_BACKLOG_SECONDS, {(stage,): value for stage, value in backlogs.items() if value is not None})
        unserved = {stage: bounded(load.unserved) for stage, load in loads.items()}
        show(m.UNSERVED_RENDERS, {(stage, rev): num for stage, each in unserved.items() for rev, num in each.items()})
        too_large = {stage: load.too_large for stage, load in loads.items()}
        show(
            m.TOO_LARGE_RENDERS, {(stage, size): num for stage, each in too_large.items() for size, num in each.items()}
        )

    def _show_workers(self) -> None:
        show(m.STAGE_DEAF_WORKERS, {(queue,): signs.deaf for queue, signs in self.throughput.signs().items()})

    def _show_pauses(self) -> None:
        kinds = [each.kind for each in self.pauses.pauses()]
        for kind in PauseKind:
            m.PAUSES.labels(kind).set(kinds.count(kind))

    def _show_rest(self, found: Measures, loads: Mapping[Stage, StageLoad]) -> None:
        # A stage without waiting renders shows 0.
        show(m.OLDEST_WAIT_SECONDS, {(stage,): found.oldest_wait_s.get(stage, 0.0) for stage in loads})
        m.DELIVERIES_DUE.set(found.deliveries_due)
        m.DELIVERY_OLDEST_DUE_SECONDS.set(found.oldest_due_s or 0.0)
        m.DEAD_LETTERS.set(found.dead_letters)
        m.BATCHES_OPEN.set(found.batches_open)
        m.STORE_USED_BYTES.set(found.used_bytes)
        m.STORE_MAX_BYTES.set(math.nan if found.max_bytes is None else found.max_bytes)
        is_writable = self.writes.state()
        m.OBJECT_STORE_WRITABLE.set(math.nan if is_writable is None else is_writable)
        m.STORE_LOSSES.inc(max(0, found.store_losses - self._num_losses))
        self._num_losses = max(self._num_losses, found.store_losses)


def show(gauge: Gauge, values: Mapping[tuple[str, ...], float]) -> None:
    """Sets the gauge for each combination of labels in `values`, then removes all other combinations of labels.

    The values are set before others are removed, so that no scrape misses a series that stays.
    """
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
    for labels in _shown(gauge):
        if labels not in values:
            gauge.remove(*labels)


def bounded(unserved: Mapping[str, int]) -> Mapping[str, int]:
    """Returns the number of unserved renders for the ten revisions with the most of them, and the sum for all other
    revisions under "other".

    `unserved` maps a revision to the number of waiting renders that no live worker serves. The number of revisions is
    limited, because each one becomes a time series in the metrics.
    """
    most = sorted(unserved, key=lambda revision: (-unserved[revision], revision))
    kept = {revision: unserved[revision] for revision in most[:MOST_REVISIONS]}
    rest = sum(unserved[revision] for revision in most[MOST_REVISIONS:])
    return {**kept, REST: rest} if rest else kept


def _shown(gauge: Gauge) -> Iterable[tuple[str, ...]]:
    return {tuple(sample.labels.values()) for metric in gauge.collect() for sample in metric.samples}
