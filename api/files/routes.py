"""The routes of files, in OpenAI's format. Uploads go straight from the request to the object store."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request

from api.edge import idempotency
from api.edge.callers import caller
from api.files.form_fields import nested
from api.files.parts import FileStart, FormField, read_parts
from api.files.schemas import FileAnswer, FileDeleted, FilePage, FilesQuery, Upload
from api.responses.downloads import download
from api.responses.listing import told_each
from api.server.incoming import pass_on
from api.services import services
from shared.errors import FileNotStored, InvalidRequest, PayloadTooLarge, StoreUnavailable
from shared.files import FileId, Purpose, StoredFile, file_key, new_file_id
from shared.intake.fields import validated
from shared.objects.writer import ObjectWriter
from shared.settings.settings import Settings

files = Blueprint("files", __name__, url_prefix="/v1/files")

Answer = dict[str, Any]

# What a caller sent is never shown by a browser as a page of ours.
_BINARY = "application/octet-stream"
_MOST_AT_ONCE = 1000
_AROUND_BYTES = 64 * 1024  # what a multipart body holds beside the file
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


@files.post("")
@idempotency.streams_body
def create() -> Answer | Response:
    """Stores the part `file`.

    Fields: `purpose`, and optionally `expires_after[anchor]` and `expires_after[seconds]`.
    """
    house, file_id = services(), new_file_id()
    pass_on(_AROUND_BYTES + max(_limits(house.settings).values()))
    with _announced(file_id):
        with house.objects.writer(file_key(file_id), _BINARY) as writer:
            received = _receive(writer, _limits(house.settings))
        asked, digest = received.upload(), received.digest.hexdigest()
        kept = idempotency.begin(idempotency.fingerprint_of([asked.model_dump(mode="json"), digest]), file_id)
        made = None if kept else _made_before(file_id)
        if kept or made:
            house.files.abandon(file_id)  # the same bytes a second time
        if kept:
            return kept
        if made is None and idempotency.reserved_id() not in (None, file_id):
            idempotency.reserve(file_id)  # what the first request began to store is never completed
        return _answer(made or _close(file_id, asked, received))


@files.get("")
def index() -> Answer:
    """Returns a page of files, newest first unless `order` is `asc`."""
    query = validated(FilesQuery, request.args.to_dict())
    limit = min(query.limit, _MOST_AT_ONCE)
    found = services().files.files(
        caller().tenant, limit=limit + 1, after=query.after, purpose=query.purpose, order=query.order
    )
    page = told_each("file", ((file.file_id, file) for file in found[:limit]), FileAnswer.of)
    first, last = (page[0].id, page[-1].id) if page else (None, None)
    return FilePage(data=page, has_more=len(found) > limit, first_id=first, last_id=last).model_dump(mode="json")


@files.get("/<file_id>")
def read(file_id: str) -> Answer:
    """Returns one file."""
    return _answer(_own(file_id))


@files.get("/<file_id>/content")
def content(file_id: str) -> Response:
    """Redirects (302) to a presigned URL, or returns the bytes when links are streamed."""
    house, file = services(), _own(file_id)
    suffix = _SUFFIX.search(file.filename)
    filename = f"{file.file_id}{suffix[0] if suffix else ''}"
    if house.settings.s3_links == "presigned":
        link = house.objects.presign(file.key, filename=filename, content_type=_BINARY)
        return Response(status=302, headers={"Location": link})
    chunks = house.objects.stream(file.key)
    return download(chunks, _BINARY, filename=filename, how="attachment", num_bytes=file.num_bytes)


@files.delete("/<file_id>")
def delete(file_id: str) -> Answer:
    """Deletes a file at once. Jobs that read it before are not affected."""
    services().files.delete(FileId(file_id), caller().tenant)
    return FileDeleted(id=file_id).model_dump()


@dataclass(slots=True)
class _Received:
    """The fields and the file of an upload received so far."""

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
        """Returns the validated fields, once the whole upload was received. Raises `InvalidRequest`."""
        if self.filename is None:
            raise InvalidRequest("file is missing: send it as a part with a filename", "file")
        asked = nested(self.fields)
        if "filename" in asked:
            raise InvalidRequest("the filename comes with the part file", "filename")
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
        # The purpose may come after the file: until then the widest limit counts.
        limit = limits.get(received.fields.get("purpose", Purpose.BATCH), 0)
        if limit and received.num_bytes > limit:
            raise PayloadTooLarge(f"the file has more than {limit} bytes")
    return received


def _limits(settings: Settings) -> dict[str, int]:
    """Returns the maximum size of a file in bytes, by purpose."""
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
    )


@contextmanager
def _announced(file_id: FileId) -> Iterator[None]:
    """Records the file for the block. If the block raises, upkeep deletes what was stored."""
    store = services().files
    store.open(file_id, caller().tenant)
    try:
        yield
    except BaseException:
        with suppress(StoreUnavailable):
            store.abandon(file_id)
        raise


def _made_before(file_id: FileId) -> StoredFile | None:
    """Returns the file that an earlier request with this Idempotency-Key made and whose response was not kept."""
    reserved = idempotency.reserved_id()
    if reserved in (None, file_id):
        return None
    try:
        file = _own(str(reserved))
    except FileNotStored:
        return None
    idempotency.say_replayed()
    return file


def _own(file_id: str) -> StoredFile:
    return services().files.file(FileId(file_id), caller().tenant)


def _answer(file: StoredFile) -> Answer:
    return FileAnswer.of(file).model_dump(mode="json")
