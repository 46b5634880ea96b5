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
    """`job_` and a ULID: 48 bits of milliseconds, 80 random bits."""
    return JobId(f"job_{ULID()}".lower())


def ulid_of(reserved: str | None) -> str:
    """The ULID of `reserved`, an id of any kind; a new one without it. In lower case, as all ids have theirs."""
    return re.split("[_-]", reserved)[-1] if reserved else str(ULID()).lower()


def first_job_id(moment: datetime) -> JobId:
    """The lowest id that a job of this moment (aware) can have."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), 2**48 - 1)
    return JobId(f"job_{ULID.from_bytes(milliseconds.to_bytes(6, 'big') + bytes(10))}".lower())


def render_id(job_id: JobId, index: int) -> RenderId:
    """The id of a job's render `index`; zero-padded so that siblings sort by index."""
    return RenderId(f"{job_id}:{index:04d}")


def split_render_id(render: RenderId) -> tuple[JobId, int]:
    """Inverse of `render_id`."""
    job, _, index = render.rpartition(":")
    return JobId(job), int(index)


def new_holder_id(worker: "WorkerId | None" = None) -> HolderId:
    """A random lease holder: fences can repeat after a failover, holders do not. It may name its `worker`."""
    return HolderId(f"{worker}~{secrets.token_hex(8)}" if worker else secrets.token_hex(8))


def new_worker_id(role: str) -> WorkerId:
    """Role, host and process for people, random bits for uniqueness."""
    return WorkerId(f"{role}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
