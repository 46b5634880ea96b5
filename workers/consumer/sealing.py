"""Watches that a worker has the sealing key of the API. Without it, it can't open the secrets of tenants' buckets."""

import threading

import structlog

from shared.errors import StoreUnavailable
from shared.process.background import Background
from shared.settings.settings import Settings
from shared.store.copies.sealing_keys import SealingKeys
from shared.store.core.connect import Client

log = structlog.get_logger()

_EVERY_S = 10.0


def watch_sealing(client: Client, role: str, settings: Settings, stopping: threading.Event) -> None:
    """Starts a thread that compares the keys every 10 s until `stopping` is set.

    Raises `Misconfigured` for an invalid sealing key.
    """
    keys = SealingKeys(client, role, settings)

    def keep_looking() -> None:
        fault = None
        while True:
            fault = look(keys, fault)
            if stopping.wait(_EVERY_S):
                return

    Background("sealing", keep_looking, stopping.is_set).start()


def look(keys: SealingKeys, before: str | None = None) -> str | None:
    """Compares the keys once, and returns the fault or None. Logs it only if it is another one than `before`."""
    try:
        fault = keys.fault()
    except StoreUnavailable:
        return before
    if fault and fault != before:
        log.error("sealing.keys_differ", error=fault)
    elif before and not fault:
        log.info("sealing.keys_agree")
    return fault
