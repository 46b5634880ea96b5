"""Whether the process lives, and whether it can do its work."""

from collections.abc import Callable
from dataclasses import asdict

import structlog
from flask import Blueprint

from api.callers import is_open
from api.services import Services, services
from shared.errors import GridpressError

log = structlog.get_logger()

health = Blueprint("health", __name__)


@health.get("/healthz")
def alive() -> dict[str, str]:
    """Answers as long as the process does."""
    return {"status": "ok"}


@health.get("/readyz")
def ready() -> tuple[dict[str, object], int]:
    """503, naming what is missing, unless both stores answer.

    `stages` has the live workers of each and what waits, by model revision, though none of them serves it: `""` is any.
    `intake` says whether new jobs are taken; what was accepted can always be read. `access` is `open` until the first
    API key is created. `durability` is what a 202 is worth: with `relaxed`, jobs of the last `window_s` may be lost
    (null: no bound is known). `enhance_prompt` is on where GRIDPRESS_ENHANCE_BASE_URL is set.
    """
    house = services()
    checks = {"store": _state(house.store.check), "object_store": _state(house.objects.check)}
    is_ready = set(checks.values()) == {"ok"}
    report: dict[str, object] = {
        "status": "ok" if is_ready else "unavailable",
        "checks": checks,
        "intake": _state(house.capacity.check),
        "stages": _stages(house),
        "access": _access(house),
        "durability": asdict(house.durability),
        "enhance_prompt": "on" if house.settings.enhance_base_url else "off",
    }
    return report, 200 if is_ready else 503


def _stages(house: Services) -> dict[str, object] | None:
    try:
        loads = house.pace.loads()
    except GridpressError:  # the store is away, as `checks` says
        return None
    return {
        stage: {"workers": load.strength.workers, "slots": load.strength.slots, "unserved": dict(load.unserved)}
        for stage, load in loads.items()
    }


def _access(house: Services) -> str | None:
    try:
        return "open" if is_open(house) else "keys"
    except GridpressError:  # the store is away, as `checks` says
        return None


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except GridpressError as error:
        log.warning("not_ready", code=error.code, error=str(error))
        return error.code
    return "ok"
