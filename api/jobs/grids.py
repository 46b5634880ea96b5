"""The route that returns the token grid of a picture, which is the output of the AR stage.

The grid exists before the DiT stage begins.
"""

import struct
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel

from api.edge.authentication import caller
from api.services import services
from shared.ids import JobId
from shared.intake.rerender import prior_of
from shared.jobs.token_grid import TokenGrid

grids = Blueprint("grids", __name__, url_prefix="/v1/jobs/<job_id>/images/<int:index>/grid")

_RAW = "application/octet-stream"


class GridResponse(BaseModel):
    """The token grid of a picture: one visual token for each block of 32x32 pixels, row by row."""

    rows: int
    cols: int
    tokens: list[int]


@grids.get("")
def read(job_id: str, index: int) -> dict[str, Any] | Response:
    """Returns the token grid of a picture as JSON.

    If `Accept` prefers `application/octet-stream`, returns the tokens as little-endian uint16, row by row.
    """
    deps = services()
    job = deps.store.job(JobId(job_id), caller().tenant)
    grid = prior_of(job, index, deps.store, deps.objects).grid
    if request.accept_mimetypes.best_match(["application/json", _RAW]) == _RAW:
        return _raw(grid)
    return GridResponse(rows=grid.size.rows, cols=grid.size.cols, tokens=list(grid.tokens)).model_dump()


def _raw(grid: TokenGrid) -> Response:
    response = Response(struct.pack(f"<{len(grid.tokens)}H", *grid.tokens), content_type=_RAW)
    response.headers.update({"Grid-Rows": str(grid.size.rows), "Grid-Cols": str(grid.size.cols)})
    return response
