"""Deletes condition images that no job uses, and mends the records of their uses once a day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import structlog

from shared.ids import ObjectKey
from shared.objects.inputs import INPUTS
from shared.objects.store import ObjectStore
from shared.store.inputs.inputs import InputStore
from shared.store.inputs.sweep import InputSweepStore
from workers.upkeep.deleting import delete_each

log = structlog.get_logger()

_MOST_AT_ONCE = 100
# An object that was written a short time ago may belong to a request of an earlier release, which records nothing.
_LEAST_AGE_S = 24 * 3600


def delete_unused_inputs(inputs: InputStore, objects: ObjectStore) -> int:
    """Deletes up to 100 condition images that no job uses. Returns the number of deleted images.

    The store lists an image until its object is deleted, so an outage or a crash leaves no object behind.
    """

    def delete(key: ObjectKey) -> None:
        objects.delete(key)
        inputs.forget(key)

    return delete_each(inputs.unused(_MOST_AT_ONCE), delete, inputs.put_off)


class InputSweep:
    """Compares once a day all jobs with all condition images, in small steps. It finds images of which the store knows
    nothing, and counts what jobs of an earlier release use.
    """

    def __init__(self, store: InputSweepStore, objects: ObjectStore, retention_s: float) -> None:
        self._store = store
        self._objects = objects
        self._least_age = timedelta(seconds=max(retention_s, _LEAST_AGE_S))
        self._steps: Iterator[object] | None = None

    def step(self) -> int:
        """Does one step of the sweep. Returns 1 while there are further steps, else 0."""
        if self._steps is None:
            if not self._store.begin():
                return 0
            self._steps = self._sweep()
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None
            return 0
        except Exception:
            self._steps = None  # the sweep begins again in 10 minutes
            raise
        return 1

    def _sweep(self) -> Iterator[object]:
        """Does the whole sweep, one step at a time. All uses are counted before an object counts as unknown.

        Objects that are older than the store's knowledge stay: they may belong to jobs of a store that was lost.
        """
        yield from self._store.count()
        yield from self._store.mend()
        num_found, since, oldest = 0, self._store.since(), datetime.now(UTC) - self._least_age
        for page in self._objects.pages(INPUTS):
            num_found += self._store.adopt([key for key, written_at in page if since <= written_at < oldest])
            yield None
        self._store.end()
        log.info("upkeep.inputs_swept", num_unknown=num_found)
