"""Converts a batch's place in the order of its tenant's batches to and from stored fields. batch_order.lua computes the
order.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.batches.batch import BatchPriority, BatchSpec, Precedence


def precedence_args(precedence: Precedence) -> tuple[str, int, int | str]:
    """Returns a batch's class, order (-1, 0 or 1) and `finish_by` (ms; '' for none), in the form that the Lua scripts
    take.
    """
    finish_by = precedence.finish_by
    finish_by_ms = "" if finish_by is None else int(finish_by.timestamp() * 1000)
    return precedence.priority.scheduling_class.value, precedence.priority.order, finish_by_ms


def precedence_of(spec: BatchSpec, fields: Mapping[str, str]) -> Precedence:
    """Returns the place of a batch in the order of its tenant's batches, from the batch's stored fields.

    A batch of an earlier version has no fields for its place. Then the place follows from the class in the batch's
    spec.
    """
    finish_by_ms = fields.get("finish_by_ms")
    return Precedence(
        BatchPriority.of(spec.priority, int(fields.get("order", 0))),
        datetime.fromtimestamp(int(finish_by_ms) / 1000, UTC) if finish_by_ms else None,
    )
