"""Loads and normalises the condition images of a request: files, data URLs, file ids and web URLs.

Images are loaded one by one and decoded by a child process.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from typing_extensions import Buffer

from shared.egress.errors import EgressRefused
from shared.egress.images import Fetched, ImageFetcher, no_picture_from
from shared.egress.rules import EgressRules
from shared.errors import FileNotStored, InvalidImage, InvalidRequest, ObjectNotFound
from shared.files import FileId, Purpose
from shared.ids import TenantId
from shared.images.decoders import Decoders, Encoded, Load
from shared.intake.request import Body
from shared.objects.store import ObjectStore
from shared.store.files.files import FileStore

_FILE_ID = re.compile(r"file-[0-9a-z]{26}")
_DATA_URL = re.compile(r"data:[^,]{0,200};base64", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://", re.IGNORECASE)


def check_urls(urls: Sequence[str], rules: EgressRules) -> None:
    """Checks the web URLs by the egress rules, without resolving names. Raises `InvalidImage`, naming the field."""
    for index, url in enumerate(urls):
        if _WEB_URL.match(url):
            try:
                rules.target(url)
            except EgressRefused as error:
                raise InvalidImage(f"images[{index}] can't be fetched: {error}", f"images[{index}]") from error


# Called with the bytes that a request is about to keep in memory. Raises `ServiceBusy` where there is no room.
Hold = Callable[[int], None]


@dataclass(slots=True)
class FileImages:
    """The pictures among a tenant's files, for one request. Limits: bytes of each, and of all together."""

    files: FileStore
    objects: ObjectStore
    tenant: TenantId
    max_bytes: int
    max_total_bytes: int
    _num_bytes: int = field(default=0, init=False)

    def read(self, file_id: FileId, field: str) -> bytes:
        """Returns the bytes of a file. Raises `InvalidImage`, naming the field."""
        try:
            file = self.files.file(file_id, self.tenant)
            if file.purpose not in (Purpose.VISION, Purpose.USER_DATA):
                raise InvalidImage(f"{file_id} is of the purpose {file.purpose}: pictures are of vision", field)
            if file.num_bytes > self.max_bytes:
                raise InvalidImage(f"{file_id} has more than {self.max_bytes} bytes", field)
            self._num_bytes += file.num_bytes
            if self._num_bytes > self.max_total_bytes:
                raise InvalidImage(f"all images together have more than {self.max_total_bytes} bytes", field)
            return self.objects.get(file.key)
        except (FileNotStored, ObjectNotFound) as error:
            raise InvalidImage(f"there is no file {file_id}", field) from error


@dataclass(frozen=True, slots=True)
class ConditionImages:
    """Normalises the condition images of one request, one by one."""

    fetcher: ImageFetcher
    own: FileImages
    decoders: Decoders
    hold: Hold

    def normalised(self, body: Body, max_images: int) -> list[bytes]:
        """Returns the normalised images in the order of the request. Web URLs are fetched last, after all other checks.

        Raises `InvalidRequest` and `InvalidImage`, naming the field, and `ServiceBusy`.
        """
        urls, files = body.request.images, body.files
        if urls and files:
            raise InvalidRequest("send images either in the JSON or as files", "images")
        if len(urls) + len(files) > max_images:
            raise InvalidRequest(f"images holds {len(urls) + len(files)} pictures, more than {max_images}", "images")
        if files:
            return [self._looked_at(partial(Encoded, file), f"images[{index}]") for index, file in enumerate(files)]
        return self._from_urls({f"images[{index}]": url for index, url in enumerate(urls)}, body)

    def _from_urls(self, urls: dict[str, str], body: Body) -> list[bytes]:
        web_urls = {field: url for field, url in urls.items() if _WEB_URL.match(url)}
        pictures = {
            field: self._looked_at(self._at_hand(url, field, body), field)
            for field, url in urls.items()
            if field not in web_urls
        }
        if web_urls:
            fetcher = self.fetcher.of_tenant(self.own.tenant)
            with self.decoders.fetching(self.own.tenant):
                for field, fetched in zip(web_urls, fetcher.fetch(web_urls), strict=True):
                    pictures[field] = self._looked_at_fetched(fetched, urls[field], field)
        return [pictures[field] for field in urls]

    def _at_hand(self, url: str, field: str, body: Body) -> Load:
        if _FILE_ID.fullmatch(url):
            return lambda: Encoded(self.own.read(FileId(url), field))
        return partial(_from_data_url, url, field, body.pictures)

    def _looked_at_fetched(self, fetched: Fetched, url: str, field: str) -> bytes:
        try:
            return self._looked_at(partial(Encoded, fetched.data), field)
        except InvalidImage as error:
            if fetched.may_be_told:
                raise
            raise no_picture_from(url, field) from error

    def _looked_at(self, load: Load, field: str) -> bytes:
        png = self.decoders.normalise(load, self.own.tenant, field)
        self.hold(len(png))
        return png


def _from_data_url(url: str, field: str, cut: Mapping[str, Buffer]) -> Encoded:
    head, _, payload = url.partition(",")
    if not _DATA_URL.fullmatch(head):
        raise InvalidImage("neither an https URL nor a file id nor a data URL such as data:image/png;base64,...", field)
    return Encoded(cut.get(payload, payload.encode()), is_base64=True)
