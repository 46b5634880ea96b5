"""Stores what operators have paused: stages, classes, tenants and model revisions; and which workers they drain."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from shared.errors import WorkerNotFound
from shared.ids import WorkerId
from shared.jobs.pauses import Drain, Pause, PauseKind
from shared.store.core.connect import Client, translated
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.record_lists import readable
from shared.store.core.scripts import Scripts

_KEY = "gridpress:paused"
_KINDS = tuple(PauseKind)


class PauseStore:
    """Begins, ends and lists pauses, and drains of workers. Every method raises `StoreUnavailable` when the store does
    not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._faults = FaultCounts(client)

    def pause(self, kind: PauseKind, name: str, reason: str, key_id: str = "") -> Pause:
        """Pauses something and returns the pause. From then on no worker claims a render that it concerns.

        A repeated call replaces the reason and the key id; the time stays.
        """
        return pause_of(kind, name, self._scripts.run("set_pause", kind, name, reason, key_id))

    def resume(self, kind: PauseKind, name: str) -> bool:
        """Ends a pause. Returns whether it existed. Idle workers find the work within 2 s."""
        return bool(self._scripts.run("end_pause", kind, name))

    def drain(self, worker: WorkerId, reason: str, key_id: str = "") -> Drain:
        """Drains a worker, and returns the drain. The worker claims nothing from then on, and learns of the drain with
        its next heartbeat, within 2 s. The drain ends with the worker's process.

        Raises `WorkerNotFound` if no such worker of a stage is alive.
        """
        text = self._scripts.run("drain_worker", worker, reason, key_id)
        if not text:
            raise WorkerNotFound(f"no live worker {worker}")
        return drain_of(text)

    def end_drain(self, worker: WorkerId) -> bool:
        """Ends the drain of a worker, which then claims again. Returns whether there was one."""
        return bool(self._scripts.run("end_pause", "worker", worker))

    def pauses(self) -> list[Pause]:
        """Returns all pauses, sorted by kind and name."""
        with translated():
            found = cast("Mapping[str, str]", self._client.hgetall(_KEY))
        rows = ((field, text) for field, text in sorted(found.items()) if field.startswith(_KINDS))
        return readable(self._faults, "pause", rows, _decode)


def pause_of(kind: str, name: str, text: str) -> Pause:
    """Decodes a pause from its JSON text in the store."""
    fields: Mapping[str, Any] = json.loads(text)
    since = datetime.fromtimestamp(fields["since_ms"] / 1000, UTC)
    return Pause(PauseKind(kind), name, fields["reason"], since, fields["key_id"])


def drain_of(text: str) -> Drain:
    """Decodes the drain of a worker from its JSON text in the store."""
    fields: Mapping[str, Any] = json.loads(text)
    return Drain(fields["reason"], datetime.fromtimestamp(fields["since_ms"] / 1000, UTC), fields["key_id"])


def _decode(field: str, text: str) -> Pause:
    kind, _, name = field.partition(":")
    return pause_of(kind, name, text)
