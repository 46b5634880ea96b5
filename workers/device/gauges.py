"""Gauges of a GPU stage's worker. They are read when somebody scrapes, and cost nothing in between."""

from shared.jobs.states import Stage
from shared.metrics.catalogue import ENGINE_OCCUPANCY, ENGINE_SLOTS, RECORD_BUFFER
from workers.engine.slots import Slots


def show_slots(stage: Stage, slots: Slots) -> None:
    """Shows how many slots there are, how many are in use, and how many outcomes wait to be recorded."""
    at_once = slots.places.at_once  # more are held for a moment: prepared ahead, or pre-empted
    ENGINE_SLOTS.labels(stage.value).set(at_once)
    ENGINE_OCCUPANCY.labels(stage.value).set_function(lambda: min(1, len(slots.running()) / at_once))
    RECORD_BUFFER.labels(stage.value).set_function(lambda: slots.num_finished)
