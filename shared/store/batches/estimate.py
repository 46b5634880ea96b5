"""Reads the work that comes before the end of a tenant's batches, with one call to the store. Other code computes the
expected ends of the batches from it.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.batches.batch import BatchId, BatchPriority, Precedence
from shared.batches.estimate import Outlook, OwnBatch, Rate, Waiting, Work
from shared.ids import TenantId
from shared.jobs.spec import Priority, RenderSettings
from shared.schedule.cost import cost_of
from shared.store.core.scripts import Scripts
from shared.store.queues.throughput import capacities_of

# assumed cost of one render, for batches of earlier versions, which stored no cost
_USUAL = cost_of(RenderSettings(prompt="", width_px=1024, height_px=1024))
_SHORTEST_S, _FEWEST = 20.0, 4  # a rate over fewer seconds or fewer lines is too uncertain


def read_outlook(scripts: Scripts, tenant: TenantId, scheduling_class: Priority) -> Outlook:
    """Returns the work that comes before the end of a tenant's batches of one class. Expected ends are computed from
    it.

    If a batch has no stored cost, each of its lines counts as one render of 1024x1024.
    """
    found = json.loads(scripts.run("batch_outlook", tenant, scheduling_class.value))
    now_ms = float(found["now"])
    own = [_own(fields, scheduling_class, now_ms) for fields in found["own"] or []]
    released = sum((_released(fields) for fields in found["own"] or []), Work())
    lanes = Work(**found["lanes"])
    return Outlook(
        own=own,
        single=Work(max(0.0, lanes.ar - released.ar), max(0.0, lanes.dit - released.dit)),
        others=[Waiting(each["weight"], Work(each["ar"], each["dit"])) for each in found["others"] or []],
        urgent=Work(**found["urgent"]),
        weight=found["weight"],
        strengths=capacities_of(found, scheduling_class),
        most_at_once=found.get("most_at_once"),
    )


def _own(fields: Mapping[str, Any], scheduling_class: Priority, now_ms: float) -> OwnBatch:
    finish_by_ms = fields.get("finish_by_ms")
    finish_by = datetime.fromtimestamp(int(finish_by_ms) / 1000, UTC) if finish_by_ms else None
    precedence = Precedence(BatchPriority.of(scheduling_class, int(fields.get("order", 0))), finish_by)
    left = _released(fields) + _waiting(fields)
    return OwnBatch(BatchId(fields["id"]), precedence, left, _rate(fields, now_ms))


def _waiting(fields: Mapping[str, Any]) -> Work:
    if "todo_ar" not in fields:
        return Work(fields["waiting"] * _USUAL.ar, fields["waiting"] * _USUAL.dit)
    if not fields["waiting"]:
        return Work()
    return Work(max(0, int(fields["todo_ar"])), max(0, int(fields["todo_dit"])))


def _released(fields: Mapping[str, Any]) -> Work:
    """Returns the cost of a batch's open renders, which exist and have not ended. This is the number of open renders
    times the mean cost of all pictures of the batch.
    """
    num, pictures = int(fields.get("renders", 0)), int(fields.get("cost_pictures", 0))
    if not pictures:
        return Work(num * _USUAL.ar, num * _USUAL.dit)
    return Work(num * int(fields["cost_ar"]) / pictures, num * int(fields["cost_dit"]) / pictures)


def _rate(fields: Mapping[str, Any], now_ms: float) -> Rate | None:
    """Returns the rate at which a batch has recently progressed: DiT cost (estimated device time) of its ended lines
    per second. Returns None while there are too few samples.
    """
    if "rate_ms" not in fields or not fields["waiting"] or not int(fields.get("cost_lines", 0)):
        return None
    seconds = (now_ms - int(fields["rate_ms"])) / 1000
    num_lines = int(fields["completed"]) + int(fields["failed"]) - int(fields["rate_ended"])
    if seconds < _SHORTEST_S or num_lines < _FEWEST:
        return None
    return Rate(num_lines / seconds * int(fields["cost_dit"]) / int(fields["cost_lines"]), num_lines)
