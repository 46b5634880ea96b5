"""OpenAPI entries of the routes of a job's pictures, previews and token grids."""

from api.jobs.grids import GridResponse
from api.openapi.fields import DISPOSITION, GRID_COLS, GRID_ROWS, LINK
from api.openapi.media import BYTES
from api.openapi.operation import Operation, Response
from shared.errors import (
    ImageNotFound,
    ImageNotMade,
    ImageNotReady,
    JobNotFound,
    ObjectNotFound,
    ObjectStoreUnavailable,
    PriorNotFound,
)

_LINK = Response("a redirect to the file", fields=(LINK,))

OPERATIONS = {
    "images.read": Operation(
        "getImage",
        "Pictures",
        "Fetch a finished picture",
        {
            302: _LINK,
            200: Response(
                "the file, if GRIDPRESS_S3_LINKS is streamed", media={"image/*": BYTES}, fields=(DISPOSITION,)
            ),
        },
        (JobNotFound, ImageNotFound, ImageNotReady, ImageNotMade, ObjectNotFound, ObjectStoreUnavailable),
    ),
    "previews.read": Operation(
        "getPreview",
        "Pictures",
        "Fetch a preview that an event announced",
        {302: _LINK, 200: Response("the file, if GRIDPRESS_S3_LINKS is streamed", media={"image/jpeg": BYTES})},
        (JobNotFound, ImageNotFound, ObjectNotFound, ObjectStoreUnavailable),
    ),
    "grids.read": Operation(
        "getGrid",
        "Pictures",
        "Read a picture's token grid",
        {
            200: Response(
                "the token grid as JSON, or as raw tokens if `Accept` prefers application/octet-stream",
                GridResponse,
                {"application/octet-stream": BYTES},
                (GRID_ROWS, GRID_COLS),
                {"two": {"rows": 1, "cols": 2, "tokens": [812, 15007]}},
            )
        },
        (JobNotFound, PriorNotFound, ImageNotReady, ImageNotMade, ObjectStoreUnavailable),
    ),
}
