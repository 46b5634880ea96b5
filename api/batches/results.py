"""Routes that return what a batch has so far: its results, its pictures, a list of the pictures, and an archive of
them.
"""

import json
import re
from itertools import islice
from typing import Any

from flask import Blueprint, Response, request

from api.batches.archive import tar_of, zip_of
from api.batches.reading import ResultPosition, line_of, pictures, results, succeeded
from api.batches.routes import own_batch
from api.batches.schemas import ArchiveQuery, ResultsQuery
from api.responses.downloads import download
from api.responses.listing import readable_responses
from api.responses.stored_objects import StoredObject, digest_of, respond_with
from api.services import Services, services
from shared.batches.batch import Batch, is_line_of
from shared.batches.outputs import output_folder_of
from shared.errors import ImageNotFound
from shared.ids import ObjectKey
from shared.intake.fields import validated
from shared.jobs.spec import OutputFormat
from shared.responses.batches import ResultPage

batch_results = Blueprint("batch_results", __name__, url_prefix="/v1/batches/<batch_id>")

_JSON_LINES = "application/jsonl"
_ARCHIVES = {"tar": (tar_of, "application/x-tar"), "zip": (zip_of, "application/zip")}
_NAME = re.compile(rf"\w[\w.-]*\.({'|'.join(OutputFormat)})")  # as shared.batches.outputs makes them
_MOST_NAME_BYTES = 128
_FILE = re.compile(rf"([0-9a-f]{{16}})\.({'|'.join(OutputFormat)})")


@batch_results.get("/results")
def index(batch_id: str) -> dict[str, Any]:
    """Returns a page of a batch's results, in the order in which lines ended.

    The `last_id` of a page stays valid, so you can use it later to read the results that were added since.
    """
    query, batch = validated(ResultsQuery, request.args.to_dict()), own_batch(batch_id)
    after = ResultPosition.of(query.after) if query.after else ResultPosition()
    found = list(islice(results(services(), batch.batch_id, after), query.limit + 1))
    page = found[: query.limit]
    last = str(page[-1][0]) if page else query.after
    lines = readable_responses("result", ((f"{batch_id} {place}", raw) for place, raw in page), line_of)
    return ResultPage(data=lines, has_more=len(found) > query.limit, last_id=last).model_dump()


@batch_results.get("/output")
def output(batch_id: str) -> Response:
    """Streams the results of a batch's lines that have succeeded so far, as JSON lines."""
    deps, batch = services(), own_batch(batch_id)
    return download(succeeded(deps, batch.batch_id), _JSON_LINES, f"{batch.batch_id}_output.jsonl")


@batch_results.get("/manifest")
def manifest(batch_id: str) -> Response:
    """Streams one JSON line for each picture that a batch has finished so far, with the picture's location and
    settings.
    """
    deps, batch = services(), own_batch(batch_id)
    lines = (json.dumps(found, ensure_ascii=False).encode() + b"\n" for found in pictures(deps, batch.batch_id))
    return download(lines, _JSON_LINES, f"{batch.batch_id}_manifest.jsonl")


@batch_results.get("/archive")
def archive(batch_id: str) -> Response:
    """Streams a tar or zip archive of all pictures that a batch has finished so far. Its last file lists them."""
    return archive_of(services(), own_batch(batch_id), validated(ArchiveQuery, request.args.to_dict()).format)


def archive_of(deps: Services, batch: Batch, kind: str) -> Response:
    """Returns a response that streams an archive of a batch's pictures. `kind` is `tar` or `zip`."""
    make, content_type = _ARCHIVES[kind]
    return download(make(deps, batch, pictures(deps, batch.batch_id)), content_type, f"{batch.batch_id}.{kind}")


@batch_results.get("/pictures/<line_job>/<int:index>/<file>")
def picture(batch_id: str, line_job: str, index: int, file: str) -> Response:
    """Returns one picture of a batch, also when the record of its job was purged, or redirects (302) to a presigned URL
    of it, as GRIDPRESS_S3_LINKS says.
    """
    batch, named = own_batch(batch_id), _FILE.fullmatch(file)
    if named is None or not is_line_of(line_job, batch.batch_id):
        raise ImageNotFound(f"{batch.batch_id} has no such picture")
    key = ObjectKey(f"jobs/{line_job}/{index:04d}/{named[1]}/image.{named[2]}")
    filename, content_type = f"{line_job}-{index}.{named[2]}", OutputFormat(named[2]).content_type
    return respond_with(StoredObject(key, content_type, filename, digest_of(key)))


@batch_results.get("/outputs/<name>")
def copy(batch_id: str, name: str) -> Response:
    """Returns a picture of a batch with an `output_prefix` by its name, such as `mug-17.png`, or redirects (302) to a
    presigned URL of it, as GRIDPRESS_S3_LINKS says.

    The name is made of the line's `custom_id`, and is `file` in the manifest. The copy exists before the result of its
    line.
    """
    batch = own_batch(batch_id)
    folder, named = output_folder_of(batch.batch_id, batch.spec), _NAME.fullmatch(name)
    if folder is None:
        raise ImageNotFound(f"{batch.batch_id} has no output_prefix, so its pictures have no copies with names")
    if named is None or len(name.encode()) > _MOST_NAME_BYTES:
        raise ImageNotFound(f"{batch.batch_id} has no picture of this name")
    found = services().objects.find(ObjectKey(folder + name))
    if found is None:
        raise ImageNotFound(f"{batch.batch_id} has no picture of this name, or not yet")
    filename = name if name.isascii() else f"picture.{named[1]}"  # header fields have ASCII only
    content_type = OutputFormat(named[1]).content_type
    # The key does not identify the bytes: the folder is in the tenant's reach, and a copy can be written again.
    return respond_with(StoredObject(found.key, content_type, filename, found.etag, num_bytes=found.num_bytes))
