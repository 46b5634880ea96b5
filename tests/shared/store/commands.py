"""Counts the commands that a store carries out. Counts are the same on every machine, unlike times."""

from collections.abc import Callable

from shared.store.core.connect import Client

_OWN = ("cmdstat_info", "cmdstat_config|resetstat")


def num_commands(client: Client, work: Callable[[], object]) -> int:
    """Returns how many commands the store carries out during `work`, with those of its scripts."""
    client.config_resetstat()
    work()
    stats = client.info("commandstats")
    return sum(int(each["calls"]) for name, each in stats.items() if name not in _OWN)
