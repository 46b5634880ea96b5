"""OpenAPI entries of the routes about the service itself: start page, API reference, health and load."""

from werkzeug.exceptions import NotFound

from api.openapi.media import BYTES, TEXT
from api.openapi.operation import Operation, Response
from api.openapi.schemas import Alive, Health
from api.problems.errors import ForbiddenModel
from api.service.docs_page import Start
from api.service.stats import StatsQuery, StatsResponse
from api.service.workers import WorkersPage

_TAG = "Operations"
_HEALTH: dict[str, object] = {
    "status": "ok",
    "checks": {"store": "ok", "object_store": "ok"},
    "intake": "ok",
    "stages": {"ar": {"workers": 1, "slots": 8, "unserved": {}}, "dit": {"workers": 1, "slots": 1, "unserved": {}}},
    "access": "keys",
    "durability": {"mode": "always", "window_s": 0.0},
    "enhance_prompt": "off",
    "store_loss": None,
    "sealing": "ok",
    "exact_in_fp8": False,
    "deaf": {},
    "stalled": [],
    "starting": [
        {
            "stage": "dit",
            "phase": "loading",
            "done_bytes": 5_100_000_000,
            "total_bytes": 14_900_000_000,
            "bytes_per_s": 1_200_000_000,
            "left_s": 8,
        }
    ],
    "paused": [],
}
_START = {
    "service": "gridpress",
    "version": "0.1.0",
    "links": {
        "studio": "http://127.0.0.1:8000/studio",
        "docs": "http://127.0.0.1:8000/docs",
        "openapi": "http://127.0.0.1:8000/openapi.json",
        "jobs": "http://127.0.0.1:8000/v1/jobs",
        "health": "http://127.0.0.1:8000/healthz",
        "readiness": "http://127.0.0.1:8000/readyz",
    },
}
_ASSETS = {"text/css": TEXT, "text/javascript": TEXT, "image/png": BYTES}

_TO_STUDIO = Response("a redirect to the studio, for a browser")
_WORKERS = {
    "data": [
        {
            "id": "ar-render-1-4711-0a1b2c3d",
            "stage": "ar",
            "device": "NVIDIA H100 80GB HBM3",
            "revision": "a1b2c3d",
            "slots": 32,
            "sizes": [
                {"picture": "1024x1024", "conditions": "2048x2048"},
                {"picture": "1536x1536", "conditions": None},
            ],
            "state": "working",
            "is_draining": False,
            "drain": None,
            "step_s": 0.031,
            "num_held": 2,
            "held": [
                {
                    "job_id": "job_01ke6q8v3c9t0n5w7x2z4b6d8f",
                    "tenant": "acme",
                    "index": 0,
                    "since": "2026-01-05T09:30:00.000Z",
                    "progress": {"done": 800, "total": 1281},
                }
            ],
        },
    ],
    "total": 1,
}

OPERATIONS = {
    "docs.start": Operation(
        "getStart",
        _TAG,
        "Start page",
        {200: Response("links to the main pages", Start, examples={"local": _START}), 302: _TO_STUDIO},
    ),
    "docs.page": Operation(
        "getDocs", _TAG, "API reference", {200: Response("an HTML page", media={"text/html": TEXT})}
    ),
    "docs.asset": Operation(
        "getDocsAsset",
        _TAG,
        "File of the API reference",
        {200: Response("the script, style sheet or icon", media=_ASSETS)},
        (NotFound,),
    ),
    "openapi.read": Operation(
        "getOpenapi",
        _TAG,
        "OpenAPI document",
        {200: Response("an OpenAPI 3.1 document", media={"application/json": {"schema": {"type": "object"}}})},
    ),
    "health.alive": Operation(
        "getHealth",
        _TAG,
        "Check that the process runs",
        {200: Response("the process runs", Alive, examples={"yes": {"status": "ok"}})},
    ),
    "health.ready": Operation(
        "getReadiness",
        _TAG,
        "Check that the service can work",
        {
            200: Response("both stores respond", Health, examples={"ready": _HEALTH}),
            503: Response(
                "a store does not respond, or the object store accepts no writes",
                Health,
                examples={
                    "no_pictures": {
                        **_HEALTH,
                        "status": "unavailable",
                        "checks": {"store": "ok", "object_store": "object_store_unavailable"},
                    }
                },
            ),
        },
    ),
    "workers.index": Operation(
        "listWorkers",
        _TAG,
        "List the workers",
        {200: Response("the live workers", WorkersPage, examples={"two": _WORKERS})},
    ),
    "stats.read": Operation(
        "getStats",
        _TAG,
        "Read the load of the stages",
        {
            200: Response(
                "the load of both stages",
                StatsResponse,
                examples={
                    "calm": {
                        "faults": {},
                        "workers": {
                            "ar": {"workers": 1, "deaf": 0, "found": 0, "restarts": 0, "faults": 0},
                            "dit": {"workers": 1, "deaf": 0, "found": 0, "restarts": 0, "faults": 0},
                        },
                        "stages": {
                            "ar": {
                                "workers": 1,
                                "slots": 8,
                                "waiting": 0,
                                "running": 3,
                                "waiting_cost": 0,
                                "coming_cost": 0,
                                "seconds_per_cost": 0.02,
                                "full_seconds_per_cost": 0.03,
                                "backlog_s": 0.0,
                                "open": 0,
                                "wanted_workers": 1,
                                "is_stalled": False,
                                "unserved": {},
                                "too_large": {},
                                "largest": "2048x2048",
                            },
                            "dit": {
                                "workers": 1,
                                "slots": 1,
                                "waiting": 1,
                                "running": 2,
                                "waiting_cost": 104_857_600,
                                "coming_cost": 314_572_800,
                                "seconds_per_cost": 1.1e-7,
                                "full_seconds_per_cost": 1.8e-7,
                                "backlog_s": 9.4,
                                "open": 1,
                                "wanted_workers": 1,
                                "is_stalled": False,
                                "unserved": {},
                                "too_large": {},
                                "largest": "2048x2048",
                            },
                        },
                    }
                },
            )
        },
        (ForbiddenModel,),
        query=StatsQuery,
    ),
}
