"""Tells whether the processes of an installation have the same sealing keys. Knows only ids of keys."""

import json
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Self

from shared.objects.sealing import Sealing
from shared.settings.settings import Settings

_REMEDY = "set the same GRIDPRESS_SEALING_KEY for the API, delivery and upkeep"


@dataclass(frozen=True, slots=True)
class SealingHolder:
    """A process that seals or opens secrets. `role` is api, delivery or upkeep.

    `key_ids` are the ids of its keys. The first key seals. `folder` names the data folder of a process without the
    setting, and is '' for the others: processes with the same folder have the same key, also before it is created.
    """

    role: str
    host: str
    folder: str
    key_ids: tuple[str, ...]

    @classmethod
    def of(cls, role: str, settings: Settings) -> Self:
        """Returns this process. Raises `Misconfigured` for an invalid sealing key."""
        host, sealing = socket.gethostname(), Sealing.found(settings)
        folder = "" if settings.sealing_key else f"{host}:{settings.data_dir.absolute()}"
        return cls(role, host, folder, sealing.key_ids if sealing else ())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the process that `text` describes, as `str` returned it."""
        found = json.loads(text)
        return cls(found["role"], found["host"], found["folder"], tuple(found["key_ids"]))

    def __str__(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def opens(self, sealer: Self) -> bool:
        """Returns whether this process opens what `sealer` seals."""
        if self.folder and self.folder == sealer.folder:
            return True
        return sealer.key_ids[0] in self.key_ids if sealer.key_ids else not self.key_ids


def fault_of(holders: Iterable[SealingHolder]) -> str | None:
    """Returns in one line which process can't open what the API seals. Returns None if all of them can."""
    known = sorted(set(holders), key=str)
    for sealer in (each for each in known if each.role == "api"):
        for other in known:
            if not other.opens(sealer):
                return f"{_named(sealer)} and {_named(other)} have different sealing keys: {_REMEDY}"
    return None


def _named(holder: SealingHolder) -> str:
    keys = f"key {holder.key_ids[0]}" if holder.key_ids else "no key"
    return f"{holder.role} on {holder.host} ({keys})"
