"""Lets a process open a socket for every attempt. Touches no other limit."""

import resource

import structlog

log = structlog.get_logger()

_EACH = 2  # the receiver, and the name server that is asked for it
_BESIDES = 256  # the store, hints, heartbeat, logs


def slots_with_sockets(slots: int) -> int:
    """How many of the slots there are sockets for, once the soft limit of open files is as high as it need be.

    Many systems start a process with 1,024, and only the hard limit is meant.
    """
    wanted = _EACH * slots + _BESIDES
    soft, hard = (_num_files(limit, wanted) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if soft >= wanted:
        return slots
    found = max(1, (soft - _BESIDES) // _EACH)
    log.warning("delivery.few_files", limit=soft, slots=found, wanted_slots=slots)
    return found


def _num_files(limit: int, wanted: int) -> int:
    return wanted if limit == resource.RLIM_INFINITY else limit
