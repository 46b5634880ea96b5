"""Routes that upload, list, read, download and delete files, in OpenAI's format.

An upload is streamed to the object store.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request

from api.bodies.form_fields import nested
from api.bodies.incoming import stream_body
from api.bodies.parts import FileStart, FormField, read_parts
from api.edge import idempotency
from api.edge.authentication import caller
from api.files.schemas import FilesQuery, Upload
from api.responses.listing import readable_responses
from api.responses.stored_objects import StoredObject, respond_with
from api.services import services
from shared.errors import FileNotStored, InvalidRequest, PayloadTooLarge, StoreUnavailable
from shared.files import FileId, Purpose, StoredFile, file_key, new_file_id
from shared.intake.fields import validated
from shared.objects.writer import ObjectWriter
from shared.responses.files import FileDeleted, FilePage, FileResponse
from shared.settings.settings import Settings

files = Blueprint("files", __name__, url_prefix="/v1/files")

Json = dict[str, Any]

# The content type of all downloads. A browser must not show an uploaded file as a page of this API.
_BINARY = "application/octet-stream"
_MOST_AT_ONCE = 1000
_AROUND_BYTES = 64 * 1024  # the most that a multipart body may contain beside the file
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


@files.post("")
@idempotency.streams_body
def create() -> Json | Response:
    """Stores the uploaded file, which is the part `file` of a multipart form.

    The form also has the field `purpose`, and optionally `expires_after[anchor]` and `expires_after[seconds]`.
    """
    deps, file_id = services(), new_file_id()
    deps.admission.check_stored(caller().tenant, caller().limits)
    stream_body(_AROUND_BYTES + max(_limits(deps.settings).values()))
    with _registered(file_id):
        with deps.objects.writer(file_key(file_id), _BINARY) as writer:
            received = _receive(writer, _limits(deps.settings))
        asked, digest = received.upload(), received.digest.hexdigest()
        kept = idempotency.begin(idempotency.fingerprint_of([asked.model_dump(mode="json"), digest]), file_id)
        made = None if kept else _file_of_earlier_request(file_id)
        if kept or made:
            deps.files.abandon(file_id)  # an earlier request has stored the same bytes
        if kept:
            return kept
        if made is None and idempotency.reserved_id() not in (None, file_id):
            idempotency.reserve(file_id)  # the first request never completed the file under the id that it reserved
        return _answer(made or _close(file_id, asked, received))


@files.get("")
def index() -> Json:
    """Returns a page of the tenant's files, newest first unless `order` is `asc`."""
    query = validated(FilesQuery, request.args.to_dict())
    limit = min(query.limit, _MOST_AT_ONCE)
    found = services().files.files(
        caller().tenant, limit=limit + 1, after=query.after, purpose=query.purpose, order=query.order
    )
    page = readable_responses("file", ((file.file_id, file) for file in found[:limit]), FileResponse.of)
    first, last = (page[0].id, page[-1].id) if page else (None, None)
    return FilePage(data=page, has_more=len(found) > limit, first_id=first, last_id=last).model_dump(mode="json")


@files.get("/<file_id>")
def read(file_id: str) -> Json:
    """Returns the name, size, purpose and times of one file, without its content."""
    return _answer(_own(file_id))


@files.get("/<file_id>/content")
def content(file_id: str) -> Response:
    """Returns the file's content, or redirects (302) to a presigned URL of it, as GRIDPRESS_S3_LINKS says."""
    file = _own(file_id)
    suffix = _SUFFIX.search(file.filename)
    filename = f"{file.file_id}{suffix[0] if suffix else ''}"
    return respond_with(StoredObject(file.key, _BINARY, filename, file.sha256, file.num_bytes, how="attachment"))


@files.delete("/<file_id>")
def delete(file_id: str) -> Json:
    """Deletes a file at once. Jobs that have already read the file are not affected."""
    services().files.delete(FileId(file_id), caller().tenant)
    return FileDeleted(id=file_id).model_dump()


@dataclass(slots=True)
class _Received:
    """The received parts of a file upload: its form fields, and the file's name, size and SHA-256 digest."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    num_bytes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def begin_file(self, start: FileStart) -> None:
        if start.name != "file" or self.filename is not None:
            raise InvalidRequest("send one file, as the part file", start.name)
        self.filename = start.filename

    def add(self, part: FormField) -> None:
        if part.name in self.fields:
            raise InvalidRequest(f"{part.name} is given twice", part.name)
        self.fields[part.name] = part.value

    def upload(self) -> Upload:
        """Validates and returns the form fields of a file upload that was received completely.

        Raises `InvalidRequest`.
        """
        if self.filename is None:
            raise InvalidRequest("file is missing: send it as a part with a filename", "file")
        asked = nested(self.fields)
        if "filename" in asked:
            raise InvalidRequest("filename is not a field: send it with the part file", "filename")
        return validated(Upload, {**asked, "filename": self.filename})


def _receive(writer: ObjectWriter, limits: dict[str, int]) -> _Received:
    received = _Received()
    for part in read_parts(request):
        match part:
            case FormField():
                received.add(part)
            case FileStart():
                received.begin_file(part)
            case bytes():
                writer.write(part)
                received.digest.update(part)
                received.num_bytes += len(part)
        # The purpose may arrive after the file. Until then the limit of the purpose batch applies.
        limit = limits.get(received.fields.get("purpose", Purpose.BATCH), 0)
        if limit and received.num_bytes > limit:
            raise PayloadTooLarge(f"the file has more than {limit} bytes")
    return received


def _limits(settings: Settings) -> dict[str, int]:
    """Returns the maximum size of an uploaded file in bytes, by the file's purpose."""
    small = settings.max_file_bytes
    return {Purpose.BATCH: settings.max_batch_file_bytes, Purpose.VISION: small, Purpose.USER_DATA: small}


def _close(file_id: FileId, asked: Upload, received: _Received) -> StoredFile:
    return services().files.close(
        file_id,
        caller().tenant,
        purpose=asked.purpose,
        filename=asked.filename,
        num_bytes=received.num_bytes,
        sha256=received.digest.hexdigest(),
        lifetime_s=asked.lifetime_s,
        is_limited=True,
    )


@contextmanager
def _registered(file_id: FileId) -> Iterator[None]:
    """Records in the store that a file upload begins, and then runs the body of the `with` statement.

    If that body raises or the process dies, upkeep deletes the bytes of the file that were stored so far.
    """
    store = services().files
    store.open(file_id, caller().tenant)
    try:
        yield
    except BaseException:
        with suppress(StoreUnavailable):
            store.abandon(file_id)
        raise


def _file_of_earlier_request(file_id: FileId) -> StoredFile | None:
    """Returns the file that an earlier request with the same Idempotency-Key uploaded, or None if there is none.

    Call this only when no response is stored for that earlier request. The current request must then respond with the
    file. If there is a file, the current response is also marked as a repetition.
    """
    reserved = idempotency.reserved_id()
    if reserved in (None, file_id):
        return None
    try:
        file = _own(str(reserved))
    except FileNotStored:
        return None
    idempotency.mark_replayed()
    return file


def _own(file_id: str) -> StoredFile:
    return services().files.file(FileId(file_id), caller().tenant)


def _answer(file: StoredFile) -> Json:
    return FileResponse.of(file).model_dump(mode="json")
