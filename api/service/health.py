"""The routes for probes: `/healthz` reports that the process runs, and `/readyz` whether the service can work."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import TypeVar

import structlog
from flask import Blueprint

from api.edge.authentication import is_open, key_owner
from api.services import Services, services
from shared.access.keys import Scope
from shared.errors import GridpressError, ObjectStoreUnavailable, StoreUnavailable
from shared.hints.queues import Queue
from shared.jobs.pauses import PauseKind
from shared.jobs.states import Stage
from shared.models.precision import has_exact_in_fp8
from shared.schedule.starting_worker import StartingWorker
from shared.schedule.throughput import StageLoad
from shared.schedule.worker_health import QueueHealth

log = structlog.get_logger()

Found = TypeVar("Found")

_UNREACHABLE = {
    "store": StoreUnavailable,
    "object_store": ObjectStoreUnavailable,
}  # reported when a check takes too long

health = Blueprint("health", __name__)


@health.get("/healthz")
def alive() -> dict[str, str]:
    """Returns 200 as long as the process runs, even if the stores are unreachable."""
    return {"status": "ok"}


@health.get("/readyz")
def ready() -> tuple[dict[str, object], int]:
    """Returns 200 if both stores respond and the object store accepts writes, otherwise 503. `checks` names the fault.

    `intake` is `ok` if new jobs are accepted. Accepted jobs can always be read. `access` is `open` until the first API
    key is created, and `keys` afterwards. `enhance_prompt` is `on` if GRIDPRESS_ENHANCE_BASE_URL is set.

    `stages` has, for each stage, the numbers of live workers and of their slots (a slot has room for one render).
    Operators also see `unserved`: for each model revision that no live worker serves, the number of pictures that wait
    for it. `""` stands for any revision. An operator has an API key with the scope `operator`, or calls an API without
    keys.

    `durability` describes what a 202 guarantees. In the mode `relaxed`, a crash may lose the jobs of the last
    `window_s` seconds. If `window_s` is null, it may lose jobs of any age. `store_loss` describes data that the
    embedded job store has lost, until `gridpress repair` has run. Only operators see the description.

    `deaf` has, for each queue, the number of live workers that ask for no work. `stalled` names the stages in which
    pictures wait and slots are free, but no worker has taken a picture for 30 s. If all workers of a queue are deaf, or
    a stage is stalled, `status` is `degraded`. The status code is still 200 then, since the API itself works.

    `starting` lists the workers that load their model and are not ready yet: what each does, how many bytes of how many
    have arrived, the bytes per second, and the seconds until the end of this phase.

    `paused` lists what operators have paused, such as `stage dit`. Only operators see paused tenants.

    `exact_in_fp8` is true if new jobs get pictures that are computed in FP8 in every quality, also `exact`, because
    GRIDPRESS_DIT_FP8 is `all`. The model revision then ends in `-fp8`.

    `sealing` is `ok` unless the API, delivery and upkeep have different sealing keys, which encrypt the secrets of
    tenants' buckets. Then nothing can be copied into these buckets. Only operators see which processes differ.
    """
    deps = services()
    found = deps.readiness.read(_probes(deps))
    checks = {name: found.get(name, error.code) for name, error in _UNREACHABLE.items()}
    is_ready = set(checks.values()) == {"ok"}
    loads, access, loss = found.get("stages"), found.get("access"), found.get("store_loss")
    # A store that hangs would hang the check of the caller's key too.
    for_operator = checks["store"] == "ok" and _is_operator(deps, access)
    signs: Mapping[Queue, QueueHealth] = found.get("signs") or {}
    is_deaf = any(each.deaf == each.workers > 0 for each in signs.values())
    stalled = [stage.value for stage, load in (loads or {}).items() if load.is_stalled]
    report: dict[str, object] = {
        "status": "unavailable" if not is_ready else "degraded" if is_deaf or stalled else "ok",
        "checks": checks,
        "intake": found.get("intake", StoreUnavailable.code),
        "stages": None if loads is None else _stages(loads, for_operator=for_operator),
        "access": access,
        "durability": asdict(deps.durability),
        "enhance_prompt": "on" if deps.settings.enhance_base_url else "off",
        "store_loss": _for_operator(loss, for_operator=for_operator),
        "sealing": _for_operator(found.get("sealing"), for_operator=for_operator) or "ok",
        "deaf": {queue.value: each.deaf for queue, each in signs.items() if each.deaf},
        "stalled": stalled,
        "starting": [_starting(each) for each in found.get("starting") or ()],
        "exact_in_fp8": bool(found.get("exact_in_fp8")),
        "paused": [
            each.what for each in found.get("pauses") or () if for_operator or each.kind is not PauseKind.TENANT
        ],
    }
    return report, 200 if is_ready else 503


def _probes(deps: Services) -> Mapping[str, Callable[[], object]]:
    """Returns what a readiness report asks the stores, by name."""
    return {
        "store": partial(_state, deps.store.check),
        "object_store": partial(_state, partial(_check_objects, deps)),
        "intake": partial(_state, deps.admission.check_service),
        "stages": partial(_or_none, deps.throughput.loads),
        "starting": partial(_or_none, deps.workers.starting),
        "signs": partial(_or_none, deps.throughput.signs),
        "access": partial(_or_none, partial(_access, deps)),
        "store_loss": partial(_or_none, deps.ledger.loss),
        "pauses": partial(_or_none, deps.pauses.pauses),
        "sealing": partial(_or_none, deps.sealing.fault),
        "exact_in_fp8": partial(_or_none, lambda: has_exact_in_fp8(deps.throughput.newest_revision())),
    }


def _check_objects(deps: Services) -> None:
    """Raises `ObjectStoreUnavailable` unless the object store responds and has accepted the last test write.

    The role upkeep performs these test writes.
    """
    deps.objects.check()
    deps.object_writes.check()


def _stages(loads: Mapping[Stage, StageLoad], *, for_operator: bool) -> dict[str, object]:
    """Returns the number of live workers and the number of slots of each stage for the route `/readyz`.

    Only operators also see `unserved`, since it counts pictures of all tenants by model revision.
    """
    return {
        stage: {
            "workers": load.strength.workers,
            "slots": load.strength.slots,
            **({"unserved": dict(load.unserved)} if for_operator else {}),
        }
        for stage, load in loads.items()
    }


def _starting(worker: StartingWorker) -> dict[str, object]:
    left_s = worker.left_s
    return {
        "stage": worker.stage,
        "phase": worker.phase,
        "done_bytes": worker.done_bytes,
        "total_bytes": worker.total_bytes or None,
        "bytes_per_s": round(worker.bytes_per_s),
        "left_s": None if left_s is None else round(left_s),
    }


def _for_operator(fault: str | None, *, for_operator: bool) -> str | None:
    return fault if for_operator or fault is None else "yes: ask with an API key of the scope operator"


def _is_operator(deps: Services, access: str | None) -> bool:
    """Returns whether the caller has an API key with the scope `operator`, or none while the API needs no key.

    Such a caller could read the same data at `/v1/stats`.
    """
    try:
        if access is None or access == "open":
            return access is not None
        owner = key_owner(deps)
        return owner is not None and owner.key.allows(Scope.OPERATOR)
    except GridpressError:
        return False


def _access(deps: Services) -> str:
    return "open" if is_open(deps) else "keys"


def _or_none(read: Callable[[], Found]) -> Found | None:
    try:
        return read()
    except GridpressError:  # the store is unreachable, which `checks` reports
        return None


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except GridpressError as error:
        log.warning("not_ready", code=error.code, error=str(error))
        return error.code
    return "ok"
