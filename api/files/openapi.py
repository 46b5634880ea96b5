"""OpenAPI entries of the file routes."""

from api.files.schemas import FilesQuery
from api.openapi.media import FILE
from api.openapi.operation import Body, Json, Operation, Response
from api.openapi.stored_objects import REFUSALS, responses_with
from shared.errors import FileNotStored, ObjectStoreUnavailable, PayloadTooLarge, TenantBeingErased
from shared.responses.files import FileDeleted, FilePage, FileResponse

_FILE = {
    "id": "file-01ke6q8v3c9t0n5w7x2z4b6d8f",
    "object": "file",
    "bytes": 48_211,
    "created_at": 1_767_605_400,
    "expires_at": None,
    "filename": "dog.png",
    "purpose": "vision",
    "status": "processed",
    "status_details": None,
}
_UPLOAD: Json = {
    "schema": {
        "type": "object",
        "properties": {
            "file": FILE,
            "purpose": {"type": "string", "enum": ["batch", "vision", "user_data"]},
            "expires_after[anchor]": {"type": "string", "const": "created_at"},
            "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
        },
        "required": ["file", "purpose"],
        "dependentRequired": {
            "expires_after[anchor]": ["expires_after[seconds]"],
            "expires_after[seconds]": ["expires_after[anchor]"],
        },
        "additionalProperties": False,
    }
}
_ANSWER = Response("the file", FileResponse, examples={"picture": _FILE})
_PAGE = {"object": "list", "data": [_FILE], "has_more": False, "first_id": _FILE["id"], "last_id": _FILE["id"]}

OPERATIONS = {
    "files.create": Operation(
        "createFile",
        "Files",
        "Store a file",
        {200: _ANSWER},
        (PayloadTooLarge, TenantBeingErased, ObjectStoreUnavailable),
        Body(media={"multipart/form-data": _UPLOAD}),
    ),
    "files.index": Operation(
        "listFiles",
        "Files",
        "List files",
        {200: Response("a page of files", FilePage, examples={"one": _PAGE})},
        query=FilesQuery,
    ),
    "files.read": Operation("getFile", "Files", "Read a file", {200: _ANSWER}, (FileNotStored,)),
    "files.content": Operation(
        "downloadFile",
        "Files",
        "Download a file",
        responses_with("the file", ("application/octet-stream",)),
        (FileNotStored, *REFUSALS),
    ),
    "files.delete": Operation(
        "deleteFile",
        "Files",
        "Delete a file",
        {
            200: Response(
                "the file is deleted",
                FileDeleted,
                examples={"gone": {"id": _FILE["id"], "object": "file", "deleted": True}},
            )
        },
        (FileNotStored,),
    ),
}
