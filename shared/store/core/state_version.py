"""Refuses a store whose state this release can't read. It reads the version of the state and writes nothing.

  gridpress:state  hash  version: the newest version that a record of the store may have; release: the release that
                         raised `version`; oldest: the oldest version that a record may have; cursor: how far upkeep has
                         brought ended jobs up to date (update.lua); inputs_since_ms: condition images that were stored
                         earlier (wall clock, ms) are not deleted because this store knows nothing of them. They may
                         belong to a store that was lost. Stores that an earlier release filled have no such time;
                         restoring: 1 during a restore (begin_restore.lua)

A store without this hash has version 1. `docs/decisions/0009-version-of-the-state.md` says when the version grows.
"""

from dataclasses import dataclass
from importlib.metadata import version
from typing import cast

import redis

from shared.errors import Misconfigured

VERSION = 2  # of the state that this release writes
OLDEST = 1  # the oldest version that this release can bring up to date
KEY = "gridpress:state"


@dataclass(frozen=True, slots=True)
class StateVersion:
    """The versions of the records in a store: the newest, with the release that wrote it, and the oldest."""

    newest: int
    release: str
    oldest: int
    is_restoring: bool = False

    @classmethod
    def read(cls, client: "redis.Redis") -> "StateVersion":
        """Reads the versions of a store's records from Redis. A store without them has records of version 1."""
        names = ["version", "release", "oldest", "restoring"]
        newest, release, oldest, restoring = cast("list[str | None]", client.hmget(KEY, names))
        return cls(int(newest or 1), release or "of an earlier version", int(oldest or 1), restoring is not None)


def check_state(client: "redis.Redis") -> None:
    """Raises `Misconfigured` if the store has records that this release can't read: of a newer version, or of one that
    is too old to be brought up to date.
    """
    found, own = StateVersion.read(client), version("gridpress")
    if found.is_restoring:
        raise Misconfigured(
            "the job store is being restored: wait for `gridpress restore`, or run it again if it was cut short"
        )
    if found.newest > VERSION:
        raise Misconfigured(
            f"the job store was written by Gridpress {found.release}, with state of version {found.newest}; Gridpress "
            f"{own} reads versions {OLDEST} to {VERSION}: start Gridpress {found.release} or a later release"
        )
    if found.oldest < OLDEST:
        raise Misconfigured(
            f"the job store has state of version {found.oldest}, written before Gridpress {found.release}; Gridpress "
            f"{own} reads versions {OLDEST} to {VERSION}: start Gridpress {found.release} until its upkeep logs "
            "upkeep.up_to_date"
        )
