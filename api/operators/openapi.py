"""OpenAPI entries of the routes for operators."""

from collections.abc import Mapping

from api.openapi.media import TEXT
from api.openapi.operation import Body, Json, Operation, Response
from api.operators.audit import JSONL, AuditPage, AuditQuery
from api.operators.draining import DrainedResponse, DrainRequest
from api.operators.models import ModelRulesPage, ModelRulesRequest, ModelRulesResponse
from api.operators.pauses import PausedResponse, PauseRequest, PausesPage
from api.operators.requeue import RequeueRequest, RequeueResponse
from shared.errors import InvalidRequest, PauseNotFound, RevisionNotServed, WorkerNotFound
from shared.jobs.pauses import PauseKind

_TAG = "Operations"
_KIND: Mapping[str, Json] = {"kind": {"type": "string", "enum": [kind.value for kind in PauseKind]}}
_ACT = {
    "id": "act_01ke6q8v3c9t0n5w7x2z4b6d8f",
    "object": "act",
    "at": "2026-01-05T09:30:00.000Z",
    "tenant": "acme",
    "key_id": "x7k2m4qa",
    "act": "POST /v1/keys/{key_id}/revoke",
    "path": "/v1/keys/q4m2k7xa/revoke",
    "address": "203.0.113.7",
    "request_id": "req_6f1d0c2e9b8a4735",
    "status": 200,
    "code": None,
    "facts": {"key_id": "q4m2k7xa", "of_tenant": "acme"},
}
_PAUSE = {
    "kind": "class",
    "name": "batch",
    "reason": "maintenance until 14:00 UTC",
    "since": "2026-01-05T09:30:00.000Z",
    "key_id": "x7k2m4qa",
}
_DRAIN = {
    "id": "dit-render-1-4711-0a1b2c3d",
    "drain": {"reason": "this GPU is too hot", "since": "2026-01-05T09:30:00.000Z", "key_id": "x7k2m4qa"},
}
_MODEL_RULES = {
    "model": "zai-org/GLM-Image",
    "is_default": True,
    "main_revision": "4f3a2b1c0d9e",
    "revisions": [
        {"revision": "4f3a2b1c0d9e", "num_workers": 4, "is_paused": False},
        {"revision": "a1b2c3d", "num_workers": 1, "is_paused": False},
    ],
    "canary": {"revision": "a1b2c3d", "percent": 5},
    "defaults": {"size": None, "num_inference_steps": 30, "guidance_scale": None, "quality": None},
    "waits": False,
}

OPERATIONS = {
    "audit.index": Operation(
        "listActs",
        _TAG,
        "Read the audit log",
        {
            200: Response(
                "a page of the audit log",
                AuditPage,
                media={JSONL: TEXT},
                examples={"one": {"data": [_ACT], "has_more": False, "next": None}},
            )
        },
        query=AuditQuery,
    ),
    "pauses.index": Operation(
        "listPauses",
        _TAG,
        "List what is paused",
        {200: Response("all that is paused", PausesPage, examples={"one": {"data": [_PAUSE]}})},
    ),
    "pauses.pause": Operation(
        "pauseWork",
        _TAG,
        "Pause a stage, class, tenant or model revision",
        {200: Response("the pause", PausedResponse, examples={"batch": _PAUSE})},
        body=Body(PauseRequest, is_required=False, examples={"reason": {"reason": "maintenance until 14:00 UTC"}}),
        arguments=_KIND,
    ),
    "pauses.resume": Operation(
        "resumeWork",
        _TAG,
        "Resume what is paused",
        {204: Response("it is no longer paused")},
        (PauseNotFound, InvalidRequest),
        arguments=_KIND,
    ),
    "draining.drain": Operation(
        "drainWorker",
        _TAG,
        "Drain a worker",
        {200: Response("the drain", DrainedResponse, examples={"dit": _DRAIN})},
        (WorkerNotFound,),
        Body(DrainRequest, is_required=False, examples={"reason": {"reason": "this GPU is too hot"}}),
    ),
    "draining.resume": Operation(
        "resumeWorker",
        _TAG,
        "End the drain of a worker",
        {204: Response("the worker claims again")},
        (WorkerNotFound,),
    ),
    "model_rules.index": Operation(
        "listModelRules",
        _TAG,
        "List what is set for each model",
        {200: Response("all models", ModelRulesPage, examples={"one": {"data": [_MODEL_RULES]}})},
    ),
    "model_rules.change": Operation(
        "changeModelRules",
        _TAG,
        "Change what is set for a model",
        {200: Response("all that is set", ModelRulesResponse, examples={"one": _MODEL_RULES})},
        (InvalidRequest,),
        Body(
            ModelRulesRequest,
            examples={
                "canary": {"canary": {"revision": "a1b2c3d", "percent": 5}},
                "defaults": {"defaults": {"num_inference_steps": 30}},
            },
        ),
    ),
    "requeue.move": Operation(
        "requeueWork",
        _TAG,
        "Move waiting work to another model revision",
        {200: Response("how much was moved", RequeueResponse, examples={"some": {"to": "4f3a2b1c0d9e", "moved": 250}})},
        (RevisionNotServed,),
        Body(RequeueRequest, examples={"to": {"to": "4f3a2b1c0d9e"}}),
    ),
}
