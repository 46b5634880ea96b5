"""The route of a picture's token grid: what the AR stage made of the prompt, there as soon as the DiT may begin."""

import struct
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel

from api.edge.callers import caller
from api.services import services
from shared.ids import JobId
from shared.intake.rerender import prior_of
from shared.jobs.token_grid import TokenGrid

grids = Blueprint("grids", __name__, url_prefix="/v1/jobs/<job_id>/images/<int:index>/grid")

_RAW = "application/octet-stream"


class GridAnswer(BaseModel):
    """Visual tokens in row order, one for each 32x32 pixels."""

    rows: int
    cols: int
    tokens: list[int]


@grids.get("")
def read(job_id: str, index: int) -> dict[str, Any] | Response:
    """Returns the grid as JSON; to a caller that prefers octet-stream, the tokens as little-endian uint16 by rows."""
    house = services()
    job = house.store.job(JobId(job_id), caller().tenant)
    grid = prior_of(job, index, house.store, house.objects).grid
    if request.accept_mimetypes.best_match(["application/json", _RAW]) == _RAW:
        return _raw(grid)
    return GridAnswer(rows=grid.size.rows, cols=grid.size.cols, tokens=list(grid.tokens)).model_dump()


def _raw(grid: TokenGrid) -> Response:
    response = Response(struct.pack(f"<{len(grid.tokens)}H", *grid.tokens), content_type=_RAW)
    response.headers.update({"Grid-Rows": str(grid.size.rows), "Grid-Cols": str(grid.size.cols)})
    return response
