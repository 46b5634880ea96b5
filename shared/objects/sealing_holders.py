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

    def opens(self, sealer: Self, *, before_seal: bool = False) -> bool:
        """Returns whether this process opens what `sealer` seals.

        Without any key nothing is sealed yet, and that is no fault. `before_seal` says that `sealer` is about to seal.
        It then creates a key in its data folder, which only processes with the same folder have.
        """
        if self.folder and self.folder == sealer.folder:
            return True
        if sealer.key_ids:
            return sealer.key_ids[0] in self.key_ids
        return self == sealer or not (before_seal or self.key_ids)


def fault_of(holders: Iterable[SealingHolder], *, before_seal: bool = False) -> str | None:
    """Returns in one line which process can't open what the API seals, or is about to seal. Returns None if all can."""
    known = sorted(set(holders), key=str)
    for sealer in (each for each in known if each.role == "api"):
        for other in known:
            if not other.opens(sealer, before_seal=before_seal):
                what = "different sealing keys" if sealer.key_ids or other.key_ids else "no common sealing key"
                return f"{_named(sealer)} and {_named(other)} have {what}: {_REMEDY}"
    return None


def _named(holder: SealingHolder) -> str:
    keys = f"key {holder.key_ids[0]}" if holder.key_ids else "no key"
    return f"{holder.role} on {holder.host} ({keys})"
