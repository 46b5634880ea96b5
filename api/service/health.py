"""The routes of liveness and readiness."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import TypeVar

import structlog
from flask import Blueprint

from api.edge.callers import holder, is_open
from api.services import Services, services
from shared.errors import GridpressError, ObjectStoreUnavailable, StoreUnavailable
from shared.hints.queues import Queue
from shared.jobs.states import Stage
from shared.schedule.throughput import StageLoad
from shared.schedule.worker_health import QueueSigns

log = structlog.get_logger()

Found = TypeVar("Found")

_AWAY = {"store": StoreUnavailable, "object_store": ObjectStoreUnavailable}  # what a check that takes too long means

health = Blueprint("health", __name__)


@health.get("/healthz")
def alive() -> dict[str, str]:
    """Responds while the process runs."""
    return {"status": "ok"}


@health.get("/readyz")
def ready() -> tuple[dict[str, object], int]:
    """Returns 200 when both stores answer and the object store takes writes, else 503 with what is missing.

    `stages` counts the live workers of each stage. Callers with access also see `unserved`: waiting renders by model
    revision (`""` is any) that no worker serves. `intake` says whether new jobs are accepted; accepted ones can always
    be read. `access` is `open` until the first API key is created. `durability` is what a 202 guarantees: with
    `relaxed`, a crash may lose the jobs of the last `window_s` (null: unbounded). `enhance_prompt` is on where
    GRIDPRESS_ENHANCE_BASE_URL is set. `store_loss` describes data that the embedded job store has lost, until
    `gridpress repair` has run. `deaf` counts live workers that ask for no work. `stalled`
    names stages in which pictures wait though slots are free and nothing was claimed for 30 s. While all workers of a
    queue are deaf, or a stage is stalled, `status` is `degraded`; the response is still 200, since the API works.
    """
    house = services()
    found = house.readiness.read(
        {
            "store": partial(_state, house.store.check),
            "object_store": partial(_state, partial(_check_objects, house)),
            "intake": partial(_state, house.capacity.check),
            "stages": partial(_or_none, house.pace.loads),
            "signs": partial(_or_none, house.pace.signs),
            "access": partial(_or_none, partial(_access, house)),
            "store_loss": partial(_or_none, house.ledger.loss),
        }
    )
    checks = {name: found.get(name, error.code) for name, error in _AWAY.items()}
    is_ready = set(checks.values()) == {"ok"}
    loads, access, loss = found.get("stages"), found.get("access"), found.get("store_loss")
    is_told_all = _is_caller(house, access)
    signs: Mapping[Queue, QueueSigns] = found.get("signs") or {}
    is_deaf = any(each.deaf == each.workers > 0 for each in signs.values())
    stalled = [stage.value for stage, load in (loads or {}).items() if load.is_stalled]
    report: dict[str, object] = {
        "status": "unavailable" if not is_ready else "degraded" if is_deaf or stalled else "ok",
        "checks": checks,
        "intake": found.get("intake", StoreUnavailable.code),
        "stages": None if loads is None else _stages(loads, is_told_all=is_told_all),
        "access": access,
        "durability": asdict(house.durability),
        "enhance_prompt": "on" if house.settings.enhance_base_url else "off",
        "store_loss": loss if is_told_all or loss is None else "yes: ask with a key",
        "deaf": {queue.value: each.deaf for queue, each in signs.items() if each.deaf},
        "stalled": stalled,
    }
    return report, 200 if is_ready else 503


def _check_objects(house: Services) -> None:
    """Raises unless the object store answers and, by upkeep's last test, takes writes."""
    house.objects.check()
    house.object_writes.check()


def _stages(loads: Mapping[Stage, StageLoad], *, is_told_all: bool) -> dict[str, object]:
    """Returns the stages. Model revisions are shown only to the operator and callers."""
    return {
        stage: {
            "workers": load.strength.workers,
            "slots": load.strength.slots,
            **({"unserved": dict(load.unserved)} if is_told_all else {}),
        }
        for stage, load in loads.items()
    }


def _is_caller(house: Services, access: str | None) -> bool:
    """Returns whether this caller could read the same data in `/v1/stats`."""
    try:
        return access is not None and (access == "open" or holder(house) is not None)
    except GridpressError:
        return False


def _access(house: Services) -> str:
    return "open" if is_open(house) else "keys"


def _or_none(read: Callable[[], Found]) -> Found | None:
    try:
        return read()
    except GridpressError:  # the store is away, as `checks` says
        return None


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except GridpressError as error:
        log.warning("not_ready", code=error.code, error=str(error))
        return error.code
    return "ok"
