"""What the routes work with. The composition root makes it; nothing here decides anything."""

import threading
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from shared.egress.images import ImageFetcher
from shared.hints import Hints
from shared.objects import ObjectStore
from shared.settings import Settings
from shared.store.capacity import Capacity
from shared.store.dead_letters import DeadLetterStore
from shared.store.durability import Durability
from shared.store.jobs import JobStore
from shared.store.key_ring import KeyRing
from shared.store.rate_limits import RateLimits

_KEY = "gridpress"


@dataclass(frozen=True, slots=True)
class Services:
    """One set per process, used by all request threads. `stopping` ends event streams when the server drains."""

    settings: Settings
    store: JobStore
    dead_letters: DeadLetterStore
    objects: ObjectStore
    hints: Hints
    webhook_secret: str
    capacity: Capacity
    durability: Durability
    fetcher: ImageFetcher
    keys: KeyRing
    rate_limits: RateLimits
    stopping: threading.Event = field(default_factory=threading.Event)
    streams: threading.BoundedSemaphore = field(init=False)

    def __post_init__(self) -> None:
        # A stream keeps its thread until its job ends, so streams never get more than half of them.
        object.__setattr__(self, "streams", threading.BoundedSemaphore(max(1, self.settings.api_threads // 2)))

    def attach_to(self, extensions: dict[str, object]) -> None:
        """Makes these the services of the app that owns `extensions`."""
        extensions[_KEY] = self


def services() -> Services:
    """The services of the app that handles the current request."""
    return cast("Services", current_app.extensions[_KEY])
