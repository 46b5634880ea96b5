"""Raises this process's limit of open files so that every webhook attempt can open its sockets."""

import resource

import structlog

log = structlog.get_logger()

_EACH = 2  # sockets of an attempt: the receiver, and the DNS server
_OTHER_FILES = 256  # open files for everything else: store, hints, heartbeat, logs


def slots_with_sockets(slots: int) -> int:
    """Raises the soft limit of open files, so that up to `slots` webhook attempts can open their sockets at the same
    time. Returns for how many slots the new limit suffices.

    Many systems start a process with a soft limit of 1,024 files. A process may raise this limit up to its hard limit.
    """
    wanted = _EACH * slots + _OTHER_FILES
    soft, hard = (_num_files(limit, wanted) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if soft >= wanted:
        return slots
    found = max(1, (soft - _OTHER_FILES) // _EACH)
    log.warning("delivery.few_files", limit=soft, slots=found, wanted_slots=slots)
    return found


def _num_files(limit: int, wanted: int) -> int:
    return wanted if limit == resource.RLIM_INFINITY else limit
