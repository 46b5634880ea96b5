"""Reads and writes a batch's place among its tenant's own. The order itself is shared/store/batches/batch_order.lua."""

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.batches.batch import BatchPriority, BatchSpec, Standing


def standing_args(standing: Standing) -> tuple[str, int, int | str]:
    """Returns class, order, and finish_by in ms ('' for none), as the scripts take them."""
    finish_by = standing.finish_by
    finish_by_ms = "" if finish_by is None else int(finish_by.timestamp() * 1000)
    return standing.priority.scheduling_class.value, standing.priority.order, finish_by_ms


def standing_of(spec: BatchSpec, fields: Mapping[str, str]) -> Standing:
    """Returns the place of a batch. Versions without these fields stored the class alone, in the spec."""
    finish_by_ms = fields.get("finish_by_ms")
    return Standing(
        BatchPriority.of(spec.priority, int(fields.get("order", 0))),
        datetime.fromtimestamp(int(finish_by_ms) / 1000, UTC) if finish_by_ms else None,
    )
