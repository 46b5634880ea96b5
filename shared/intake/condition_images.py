"""The bytes of the condition images that a request brings: as files, in data URLs, by file id, or behind web URLs.

Looks at none of them.
"""

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass

from shared.egress.images import ImageFetcher
from shared.errors import FileNotStored, InvalidImage, InvalidRequest, ObjectNotFound
from shared.files import FileId, Purpose
from shared.ids import TenantId
from shared.intake.request import Body
from shared.objects import ObjectStore
from shared.store.files import FileStore

_FILE_ID = re.compile(r"file-[0-9a-z]{26}")
_DATA_URL = re.compile(r"data:[^,]{0,200};base64", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FileImages:
    """The pictures among a tenant's files, of `max_bytes` at most."""

    files: FileStore
    objects: ObjectStore
    tenant: TenantId
    max_bytes: int

    def read(self, file_id: FileId, field: str) -> bytes:
        """Raises `InvalidImage`, naming the field."""
        try:
            file = self.files.file(file_id, self.tenant)
            if file.purpose not in (Purpose.VISION, Purpose.USER_DATA):
                raise InvalidImage(f"{file_id} is of the purpose {file.purpose}: pictures are of vision", field)
            if file.num_bytes > self.max_bytes:
                raise InvalidImage(f"{file_id} has more than {self.max_bytes} bytes", field)
            return self.objects.get(file.key)
        except (FileNotStored, ObjectNotFound) as error:
            raise InvalidImage(f"there is no file {file_id}", field) from error


def condition_images(body: Body, max_images: int, fetcher: ImageFetcher, own: FileImages) -> Sequence[bytes]:
    """In the order of the request. Nothing is fetched from the web before all else could be read.

    Raises `InvalidRequest` and `InvalidImage`, naming the field.
    """
    urls, files = body.request.images, body.files
    if urls and files:
        raise InvalidRequest("send images either in the JSON or as files", "images")
    if len(urls) + len(files) > max_images:
        raise InvalidRequest(f"images holds {len(urls) + len(files)} pictures, more than {max_images}", "images")
    return files or _from_urls({f"images[{index}]": url for index, url in enumerate(urls)}, fetcher, own)


def _from_urls(urls: dict[str, str], fetcher: ImageFetcher, own: FileImages) -> list[bytes]:
    web_urls = {field: url for field, url in urls.items() if _WEB_URL.match(url)}
    images = {field: _at_hand(url, field, own) for field, url in urls.items() if field not in web_urls}
    images.update(zip(web_urls, fetcher.fetch(web_urls), strict=True))
    return [images[field] for field in urls]


def _at_hand(url: str, field: str, own: FileImages) -> bytes:
    return own.read(FileId(url), field) if _FILE_ID.fullmatch(url) else _from_data_url(url, field)


def _from_data_url(url: str, field: str) -> bytes:
    head, _, payload = url.partition(",")
    if not _DATA_URL.fullmatch(head):
        raise InvalidImage("neither an https URL nor a file id nor a data URL such as data:image/png;base64,...", field)
    try:
        return b64decode(payload, validate=True)
    except ValueError as error:
        raise InvalidImage("not base64", field) from error
