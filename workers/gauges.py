"""Gauges of a GPU stage's worker. They are read when somebody scrapes, and cost nothing in between."""

from shared.metrics.catalogue import ENGINE_OCCUPANCY, ENGINE_SLOTS, RECORD_BUFFER
from shared.states import Stage
from workers.engine.slots import Slots


def show_slots(stage: Stage, slots: Slots) -> None:
    """Shows how many slots there are, how many are in use, and how many outcomes wait to be recorded."""
    ENGINE_SLOTS.labels(stage.value).set(slots.num_slots)
    ENGINE_OCCUPANCY.labels(stage.value).set_function(lambda: len(slots.running()) / slots.num_slots)
    RECORD_BUFFER.labels(stage.value).set_function(lambda: slots.num_finished)
