"""OpenAPI entries of the dead letter routes."""

from api.dead_letters.routes import DeadLetterPage, DeadLetterResponse
from api.jobs.schemas import DeadLetterQuery
from api.openapi import examples
from api.openapi.operation import Operation, Response
from api.problems.errors import ForbiddenModel
from shared.errors import DeadLetterNotFound
from shared.responses.schemas import JobResponse

_LETTER = {
    "id": "job_01ke6q8v3c9t0n5w7x2z4b6d8f:0000",
    "job_id": "job_01ke6q8v3c9t0n5w7x2z4b6d8f",
    "index": 0,
    "stage": "dit",
    "strikes": 5,
    "died_at": "2026-01-05T09:41:07.312Z",
    "crashes": [
        {
            "worker": "dit-1",
            "stage": "dit",
            "at": "2026-01-05T09:41:07.312Z",
            "steps": {"done": 12, "total": 50},
            "was_alone": True,
            "log_lines": ["CUDA error: an illegal memory access was encountered"],
        }
    ],
}

OPERATIONS = {
    "dead_letters.index": Operation(
        "listDeadLetters",
        "Operations",
        "List dead letters",
        {
            200: Response(
                "a page of dead letters",
                DeadLetterPage,
                examples={"one": {"data": [_LETTER], "has_more": False, "next": None}},
            )
        },
        query=DeadLetterQuery,
    ),
    "dead_letters.read": Operation(
        "getDeadLetter",
        "Operations",
        "Read a dead letter",
        {200: Response("the dead letter, with its crash evidence", DeadLetterResponse, examples={"poison": _LETTER})},
        (DeadLetterNotFound,),
    ),
    "dead_letters.requeue": Operation(
        "requeueDeadLetter",
        "Operations",
        "Render a dead letter's picture again",
        {200: Response("the picture's job, which runs again", JobResponse, examples={"succeeded": examples.job()})},
        (DeadLetterNotFound, ForbiddenModel),
    ),
    "dead_letters.purge": Operation(
        "purgeDeadLetter",
        "Operations",
        "Delete a dead letter",
        {204: Response("the dead letter is deleted")},
        (DeadLetterNotFound,),
    ),
}
