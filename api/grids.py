"""The route of a picture's token grid: what the AR stage made of the prompt, there as soon as the DiT may begin."""

import struct
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel

from api.callers import caller
from api.errors import ImageNotFound, ImageNotMade, ImageNotReady
from api.services import services
from shared.errors import ObjectNotFound
from shared.ids import JobId
from shared.jobs import Job
from shared.objects import ObjectStore
from shared.store.jobs import JobStore
from shared.token_grid import Prior, TokenGrid

grids = Blueprint("grids", __name__, url_prefix="/v1/jobs/<job_id>/images/<int:index>/grid")

_RAW = "application/octet-stream"


class GridAnswer(BaseModel):
    """Visual tokens in row order, one for each 32x32 pixels."""

    rows: int
    cols: int
    tokens: list[int]


@grids.get("")
def read(job_id: str, index: int) -> dict[str, Any] | Response:
    """JSON; or the tokens as little-endian uint16 in row order, for a caller that accepts octet-stream rather."""
    house = services()
    job = house.store.job(JobId(job_id), caller().tenant)
    grid = prior_of(job, index, house.store, house.objects).grid
    if request.accept_mimetypes.best_match(["application/json", _RAW]) == _RAW:
        return _raw(grid)
    return GridAnswer(rows=grid.size.rows, cols=grid.size.cols, tokens=list(grid.tokens)).model_dump()


def prior_of(job: Job, index: int, store: JobStore, objects: ObjectStore) -> Prior:
    """The token grid of a picture that is finished or being decoded.

    Raises `ImageNotFound`, `ImageNotReady`, `ImageNotMade` and `ObjectStoreUnavailable`.
    """
    if index >= len(job.renders):
        raise ImageNotFound(f"{job.job_id} has {len(job.renders)} images, so no image {index}")
    alive = None if job.renders[index].picture else store.prior(job.renders[index].render_id)
    if alive:
        return alive
    # It may have been finished since the job was read.
    render = store.job(job.job_id, job.spec.tenant).renders[index]
    if render.picture:
        try:
            return Prior.from_bytes(objects.get(render.picture.grid_key))
        except ObjectNotFound as error:
            raise ImageNotMade(f"the token grid of image {index} is no longer kept") from error
    if render.state.is_final:
        raise ImageNotMade(f"image {index} is {render.state}")
    raise ImageNotReady(f"image {index} has no token grid yet: it is {render.state}")


def _raw(grid: TokenGrid) -> Response:
    response = Response(struct.pack(f"<{len(grid.tokens)}H", *grid.tokens), content_type=_RAW)
    response.headers.update({"Grid-Rows": str(grid.size.rows), "Grid-Cols": str(grid.size.cols)})
    return response
