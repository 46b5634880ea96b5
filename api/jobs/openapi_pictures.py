"""Pictures, previews and token grids of a job."""

from api.jobs.grids import GridAnswer
from api.openapi.fields import DISPOSITION, GRID_COLS, GRID_ROWS, LINK
from api.openapi.operation import Answer, Json, Operation
from shared.errors import (
    ImageNotFound,
    ImageNotMade,
    ImageNotReady,
    JobNotFound,
    ObjectNotFound,
    ObjectStoreUnavailable,
    PriorNotFound,
)

_BYTES: Json = {"schema": {"type": "string", "format": "binary"}}
_LINK = Answer("a link to the file", fields=(LINK,))

OPERATIONS = {
    "images.read": Operation(
        "getImage",
        "Pictures",
        "Fetch a finished picture",
        {
            302: _LINK,
            200: Answer("the file, where links are streamed", media={"image/*": _BYTES}, fields=(DISPOSITION,)),
        },
        (JobNotFound, ImageNotFound, ImageNotReady, ImageNotMade, ObjectNotFound, ObjectStoreUnavailable),
    ),
    "previews.read": Operation(
        "getPreview",
        "Pictures",
        "Fetch a preview that an event announced",
        {302: _LINK, 200: Answer("the file, where links are streamed", media={"image/jpeg": _BYTES})},
        (JobNotFound, ImageNotFound, ObjectNotFound, ObjectStoreUnavailable),
    ),
    "grids.read": Operation(
        "getGrid",
        "Pictures",
        "Read a picture's token grid",
        {
            200: Answer(
                "the tokens; raw, with their counts in the header, for a caller that accepts octet-stream rather",
                GridAnswer,
                {"application/octet-stream": _BYTES},
                (GRID_ROWS, GRID_COLS),
                {"two": {"rows": 1, "cols": 2, "tokens": [812, 15007]}},
            )
        },
        (JobNotFound, PriorNotFound, ImageNotReady, ImageNotMade, ObjectStoreUnavailable),
    ),
}
