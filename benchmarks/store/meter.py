"""Measures calls by the store's own counters (`INFO`), so that neither the client nor the network counts."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

from shared.store.core.connect import Client

Result = TypeVar("Result")

_SCRIPT = "cmdstat_evalsha"
_OWN = "cmdstat_info"


@dataclass(frozen=True, slots=True)
class Spent:
    """What the store spent on one call: microseconds, commands (also those inside scripts) and network reads.

    One read of the store is one round trip of the client, because requests here fit into one packet.
    """

    store_us: float
    commands: int
    round_trips: int


class Meter:
    """Measures calls by name. Nothing else may use the store meanwhile."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls: dict[str, list[Spent]] = defaultdict(list)

    def run(self, name: str, call: Callable[[], Result]) -> Result:
        """Runs a call, records what it spent under `name`, and returns its result."""
        before = self._client.info("all")
        result = call()
        self._calls[name].append(spent(before, self._client.info("all")))
        return result

    def medians(self) -> Mapping[str, Spent]:
        """Returns the median of each name's calls, in the order in which the names came first."""
        return {name: _median(calls) for name, calls in self._calls.items()}


def spent(before: Mapping[str, Any], after: Mapping[str, Any]) -> Spent:
    """Returns what the store spent between two results of `INFO all`, without the second `INFO` itself.

    The time of a script contains the time of its commands. So where scripts ran, only they are added up.
    """
    calls = {name: _grown(before, after, name, "calls") for name in _names(after)}
    times_us = {name: _grown(before, after, name, "usec") for name in calls}
    num_scripts = int(calls.pop(_SCRIPT, 0))
    script_us = times_us.pop(_SCRIPT, 0)
    reads = after["total_reads_processed"] - before["total_reads_processed"] - 1
    return Spent(script_us if num_scripts else sum(times_us.values()), int(sum(calls.values())), reads)


def _names(info: Mapping[str, Any]) -> list[str]:
    return [name for name in info if name.startswith("cmdstat_") and name != _OWN]


def _grown(before: Mapping[str, Any], after: Mapping[str, Any], name: str, field: str) -> float:
    return float(after[name][field]) - float(before.get(name, {}).get(field, 0))


def _median(calls: list[Spent]) -> Spent:
    return Spent(
        median(call.store_us for call in calls),
        round(median(call.commands for call in calls)),
        round(median(call.round_trips for call in calls)),
    )


class Unmeasured:
    """Runs calls like `Meter`, but does not ask the store for its counters, which would cost CPU time."""

    def run(self, name: str, call: Callable[[], Result]) -> Result:
        """Runs a call and returns its result. `name` is ignored."""
        return call()
