"""OpenAPI entries of the routes of a job's pictures, previews, condition images and token grids."""

from api.jobs.grids import GridResponse
from api.jobs.thumbnails import PictureQuery
from api.openapi.fields import GRID_COLS, GRID_ROWS
from api.openapi.media import BYTES
from api.openapi.operation import Operation, Response
from api.openapi.stored_objects import REFUSALS, responses_with
from api.problems.errors import Unauthorized
from api.responses.stored_objects import BytesQuery
from shared.errors import (
    ImageNotFound,
    ImageNotMade,
    ImageNotReady,
    InvalidImage,
    JobNotFound,
    ObjectStoreUnavailable,
    PriorNotFound,
    ServiceBusy,
    StoreUnavailable,
)

OPERATIONS = {
    "images.read": Operation(
        "getImage",
        "Pictures",
        "Fetch a finished picture",
        responses_with("the picture", ("image/*",)),
        (JobNotFound, ImageNotFound, ImageNotReady, ImageNotMade, InvalidImage, ServiceBusy, *REFUSALS),
        query=PictureQuery,
    ),
    "picture_links.read": Operation(
        "getImageByLink",
        "Pictures",
        "Fetch a finished picture by a signed link",
        responses_with("the picture", ("image/*",)),
        (Unauthorized, JobNotFound, ImageNotFound, ImageNotReady, ImageNotMade, StoreUnavailable, *REFUSALS),
    ),
    "previews.read": Operation(
        "getPreview",
        "Pictures",
        "Fetch a preview that an event announced",
        responses_with("the preview", ("image/jpeg",)),
        (JobNotFound, ImageNotFound, *REFUSALS),
        query=BytesQuery,
    ),
    "inputs.read": Operation(
        "getInput",
        "Pictures",
        "Fetch a condition image of a job",
        responses_with("the condition image", ("image/png",)),
        (JobNotFound, ImageNotFound, *REFUSALS),
        query=BytesQuery,
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
