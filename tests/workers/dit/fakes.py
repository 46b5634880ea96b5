"""An object store and a lease store that remember what was written, and can be away."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.errors import ObjectNotFound, ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.jobs.job import Picture
from shared.jobs.leases import Lease
from shared.jobs.usage import Used


@dataclass
class FakeObjects:
    is_away: bool = False
    kept: dict[ObjectKey, bytes] = field(default_factory=dict)

    def put(self, key: ObjectKey, data: bytes, content_type: str) -> None:
        if self.is_away:
            raise ObjectStoreUnavailable("the object store does not answer")
        self.kept[key] = data

    def get(self, key: ObjectKey) -> bytes:
        if self.is_away:
            raise ObjectStoreUnavailable("the object store does not answer")
        if key not in self.kept:
            raise ObjectNotFound(key)
        return self.kept[key]


@dataclass
class FakeLeases:
    pictures: list[Picture] = field(default_factory=list)
    events: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    handovers: list[ObjectKey] = field(default_factory=list)
    to_check: list[bool] = field(default_factory=list)

    def keep_handover(self, key: ObjectKey, kept_s: float) -> None:
        self.handovers.append(key)

    def finish_picture(
        self, lease: Lease, picture: Picture, used: Used | None = None, *, to_check: bool = False
    ) -> bool:
        self.pictures.append(picture)
        self.to_check.append(to_check)
        return True

    def publish_event(self, lease: Lease, event_type: str, data: Mapping[str, object]) -> None:
        self.events.append((event_type, data))
