"""Defines the types of all ids and creates new ids. Job ids sort by creation time, so a job id also works as a list
cursor.
"""

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
    """Returns the ULID of an id that was reserved for a request's Idempotency-Key, in lower case. Returns a new ULID if
    `reserved` is None.
    """
    return re.split("[_-]", reserved)[-1] if reserved else str(ULID()).lower()


def first_job_id(moment: datetime) -> JobId:
    """Returns the lowest job id that could be created at the given time. The time must have a time zone."""
    milliseconds = min(max(int(moment.timestamp() * 1000), 0), 2**48 - 1)
    return JobId(f"job_{ULID.from_bytes(milliseconds.to_bytes(6, 'big') + bytes(10))}".lower())


def render_id(job_id: JobId, index: int) -> RenderId:
    """Returns the id of the render with this index in a job. The index is zero-padded, so the ids of a job sort by
    index.
    """
    return RenderId(f"{job_id}:{index:04d}")


def split_render_id(render: RenderId) -> tuple[JobId, int]:
    """Splits a render id into the job id and the index. This is the inverse of `render_id`."""
    job, _, index = render.rpartition(":")
    return JobId(job), int(index)


def new_holder_id(worker: "WorkerId | None" = None) -> HolderId:
    """Returns a new random holder id for a lease, with the worker's id in front if one is given.

    The fence of a lease (a number that grows with every claim) may repeat after a failover of the store. A holder id
    never repeats.
    """
    return HolderId(f"{worker}~{secrets.token_hex(8)}" if worker else secrets.token_hex(8))


def new_worker_id(role: str) -> WorkerId:
    """Returns a new worker id. It contains the role, host name and process id for people, and random bits that make it
    unique.
    """
    return WorkerId(f"{role}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
