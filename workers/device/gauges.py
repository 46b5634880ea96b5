"""Metrics gauges of an AR or DiT worker. Their values are read only when the metrics are scraped."""

from shared.jobs.states import Stage
from shared.metrics.catalogue import ENGINE_OCCUPANCY, ENGINE_SLOTS, RECORD_BUFFER
from workers.engine.slots import Slots


def show_slots(stage: Stage, slots: Slots) -> None:
    """Registers gauges for a worker's number of slots (room for one render each), the share of slots in use, and the
    number of outcomes that are not recorded yet.
    """
    at_once = slots.places.at_once  # a worker also holds renders that are prepared ahead or pre-empted
    ENGINE_SLOTS.labels(stage.value).set(at_once)
    ENGINE_OCCUPANCY.labels(stage.value).set_function(lambda: min(1, len(slots.running()) / at_once))
    RECORD_BUFFER.labels(stage.value).set_function(lambda: slots.num_finished)
