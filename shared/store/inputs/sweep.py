"""Mends the records of condition images: those of earlier releases, and those that a lost write left wrong."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

from shared.ids import ObjectKey
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts
from shared.store.core.state_version import KEY

_EVERY_S = 24 * 3600
_RETRY_S = 600  # A sweep that did not end, for example because its process died, begins again after this time.
_JOBS, _USES = "gridpress:job:", "gridpress:input_uses:"
_SCANNED = 1000  # keys of the store in one round trip
_AT_ONCE = 200  # jobs or objects in one call of a script


class InputSweepStore:
    """Mends the records of condition images in small steps. All steps may be repeated. Every method raises
    `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def begin(self) -> bool:
        """Returns whether a sweep is due: a day after the end of the last one, or 10 minutes after one that did not
        end.
        """
        return bool(self._scripts.run("next_input_sweep", _RETRY_S * 1000, 1))

    def end(self) -> None:
        """Records that the sweep is complete."""
        self._scripts.run("next_input_sweep", _EVERY_S * 1000, 0)

    def since(self) -> datetime:
        """Returns the time from which on the store knows of all condition images (state_version.py)."""
        with translated():
            since_ms = cast("str | None", self._client.hget(KEY, "inputs_since_ms"))
        return datetime.fromtimestamp(int(since_ms or 0) / 1000, UTC)

    def spare(self) -> None:
        """Makes sweeps spare all objects that exist now. Call this when the store may have lost jobs that use them."""
        self._scripts.run("spare_inputs")

    def count(self) -> Iterator[int]:
        """Records for all jobs which condition images they use. Yields the number of jobs of each step."""
        for names in self._names(_JOBS):
            for jobs in _parts(names):
                self._scripts.run("count_inputs", *jobs)
            yield len(names)

    def mend(self) -> Iterator[int]:
        """Removes jobs that do not exist from the records of condition images. Yields the number of removed jobs of
        each step.
        """
        for objects in self._names(_USES):
            for name in objects:
                yield from self._mend(name)
            yield 0

    def adopt(self, keys: Sequence[ObjectKey]) -> int:
        """Makes those objects due for deletion of which the store knows nothing. Returns their number."""
        return sum(int(self._scripts.run("adopt_inputs", *some)) for some in _parts(keys))

    def _mend(self, name: str) -> Iterator[int]:
        cursor = None
        while cursor != 0:
            with translated():
                cursor, jobs = self._client.sscan(_USES + name, cursor or 0, count=_AT_ONCE)
            yield int(self._scripts.run("mend_inputs", name, *cast("list[str]", jobs)))

    def _names(self, prefix: str) -> Iterator[list[str]]:
        """Yields the ends of all keys with this prefix, page by page. A key that exists all the time is in one of the
        pages at least.
        """
        cursor = None
        while cursor != 0:
            with translated():
                cursor, keys = self._client.scan(cursor or 0, match=f"{prefix}*", count=_SCANNED)
            yield [str(key).removeprefix(prefix) for key in keys]


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]
