"""Identifiers as types. Job ids sort by creation time, so an id is also a list cursor."""

import os
import re
import secrets
import socket
from datetime import datetime
from typing import NewType

from ulid import ULID

JobId = NewType("JobId", str)
RenderId = NewType("RenderId", str)
Fence = NewType("Fence", int)
HolderId = NewType("HolderId", str)
WorkerId = NewType("WorkerId", str)
ObjectKey = NewType("ObjectKey", str)
Revision = NewType("Revision", str)
TenantId = NewType("TenantId", str)

DEFAULT_TENANT = TenantId("default")


def new_job_id() -> JobId:
    """Returns a new job id: `job_` and a ULID, which has 48 bits of milliseconds and 80 random bits."""
    return JobId(f"job_{ULID()}".lower())


def ulid_of(reserved: str | None) -> str:
    """Returns the ULID, in lower case, of the id `reserved` of any kind; a new one if it is None."""
    return re.split("[_-]", reserved)[-1] if reserved else str(ULID()).lower()


def first_job_id(moment: datetime) -> JobId:
    """Returns the lowest job id that could be created at this time (aware)."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), 2**48 - 1)
    return JobId(f"job_{ULID.from_bytes(milliseconds.to_bytes(6, 'big') + bytes(10))}".lower())


def render_id(job_id: JobId, index: int) -> RenderId:
    """Returns the id of a job's render `index`; zero-padded so that siblings sort by index."""
    return RenderId(f"{job_id}:{index:04d}")


def split_render_id(render: RenderId) -> tuple[JobId, int]:
    """Inverse of `render_id`."""
    job, _, index = render.rpartition(":")
    return JobId(job), int(index)


def new_holder_id(worker: "WorkerId | None" = None) -> HolderId:
    """Returns a random lease holder, with the id of its `worker` if given. Fences can repeat after a failover, holders
    do not.
    """
    return HolderId(f"{worker}~{secrets.token_hex(8)}" if worker else secrets.token_hex(8))


def new_worker_id(role: str) -> WorkerId:
    """Returns a worker id: role, host and process for people, and random bits for uniqueness."""
    return WorkerId(f"{role}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
