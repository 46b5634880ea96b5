"""Loads and normalises the condition images of a request: uploaded files, data URLs, file ids and web URLs.

Images are loaded one by one. A child process decodes them.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import TypeVar

from shared.egress.errors import EgressRefused
from shared.egress.images import Fetched, ImageFetcher, no_picture_from
from shared.egress.rules import EgressRules
from shared.errors import FileNotStored, InvalidImage, InvalidRequest, ObjectNotFound
from shared.files import FileId, Purpose
from shared.ids import TenantId
from shared.images.decoders import Decoders, Encoded, Load
from shared.images.png_size import size_px
from shared.intake.data_urls import picture_of
from shared.intake.request import Body
from shared.objects.store import ObjectStore
from shared.store.files.files import FileStore

Image = TypeVar("Image")

_FILE_ID = re.compile(r"file-[0-9a-z]{26}")
_WEB_URL = re.compile(r"https?://", re.IGNORECASE)


def url_flaws(urls: Sequence[str], rules: EgressRules) -> Iterator[InvalidImage]:
    """Yields an error for each web URL among a request's images that the egress rules forbid. They say what the service
    may call.

    Resolves no names.
    """
    for index, url in enumerate(urls):
        if _WEB_URL.match(url):
            try:
                rules.target(url)
            except EgressRefused as error:
                yield InvalidImage(f"images[{index}] can't be fetched: {error}", f"images[{index}]")


# Called with the number of bytes that a request is about to hold in memory. Raises `ServiceBusy` if there is no room.
Hold = Callable[[int], None]


@dataclass(slots=True)
class FileImages:
    """Reads images from a tenant's stored files for one request. It limits the size of each image and of all images
    together.
    """

    files: FileStore
    objects: ObjectStore
    tenant: TenantId
    max_bytes: int
    max_total_bytes: int
    _num_bytes: int = field(default=0, init=False)

    def read(self, file_id: FileId, field: str) -> bytes:
        """Returns the bytes of a stored file of the tenant, for use as an image. Raises `InvalidImage` with the name of
        the field if the file is missing, too large, or has another purpose.
        """
        try:
            file = self.files.file(file_id, self.tenant)
            if file.purpose not in (Purpose.VISION, Purpose.USER_DATA):
                raise InvalidImage(
                    f"{file_id} has the purpose {file.purpose}, but images need vision or user_data", field
                )
            if file.num_bytes > self.max_bytes:
                raise InvalidImage(f"{file_id} has more than {self.max_bytes} bytes", field)
            self._num_bytes += file.num_bytes
            if self._num_bytes > self.max_total_bytes:
                raise InvalidImage(f"all images together have more than {self.max_total_bytes} bytes", field)
            return self.objects.get(file.key)
        except (FileNotStored, ObjectNotFound) as error:
            raise InvalidImage(f"there is no file {file_id}", field) from error


@dataclass(frozen=True, slots=True)
class ExaminedImages:
    """The sizes of condition images in pixels by their fields, and the errors of the others. An image at a web URL has
    the size None, because it was not fetched.
    """

    sizes: Mapping[str, tuple[int, int] | None]
    errors: Sequence[InvalidRequest]

    @property
    def num_images(self) -> int:
        return len(self.sizes)

    @property
    def not_fetched(self) -> list[str]:
        return [field for field, size in self.sizes.items() if size is None]

    @property
    def first_sizes(self) -> list[tuple[int, int]]:
        """Returns the sizes of the images before the first one whose size is unknown."""
        return [size for size in takewhile(bool, self.sizes.values()) if size]


@dataclass(frozen=True, slots=True)
class ConditionImages:
    """Brings the condition images of one request into the form that both stages read, one image after the other."""

    fetcher: ImageFetcher
    own: FileImages
    decoders: Decoders
    hold: Hold

    def normalised(self, body: Body, max_images: int) -> list[bytes]:
        """Returns the condition images of a request as normalised PNG files, in the order of the request. Images at web
        URLs are fetched last, after all other images passed their checks.

        Raises `InvalidRequest` and `InvalidImage` with the name of the field, and `ServiceBusy`.
        """
        _check_number(body, max_images)
        loads = self._loads(body)
        pictures = {field: self._normalise(load, field) for field, load in loads.items() if load}
        web_urls = {field: url for field, url in _named(body.request.images) if field not in pictures}
        if web_urls:
            fetcher = self.fetcher.of_tenant(self.own.tenant)
            with self.decoders.fetching(self.own.tenant):
                for field, fetched in zip(web_urls, fetcher.fetch(web_urls), strict=True):
                    pictures[field] = self._normalise_fetched(fetched, web_urls[field], field)
        return [pictures[field] for field in loads]

    def examined(self, body: Body, max_images: int) -> ExaminedImages:
        """Decodes the condition images of a request, except those at web URLs, which are not fetched. Returns their
        sizes and errors.

        Raises `ServiceBusy` and `ObjectStoreUnavailable`.
        """
        try:
            _check_number(body, max_images)
        except InvalidRequest as error:
            return ExaminedImages({}, [error])
        sizes, errors = dict[str, tuple[int, int] | None](), list[InvalidRequest]()
        for name, load in self._loads(body).items():
            try:
                sizes[name] = size_px(self._normalise(load, name)) if load else None
            except InvalidRequest as error:
                errors.append(error)
        return ExaminedImages(sizes, errors)

    def _loads(self, body: Body) -> dict[str, Load | None]:
        """Returns for each condition image how it is loaded, by its field, in the order of the request. An image at a
        web URL has None.
        """
        if body.files:
            return {field: partial(Encoded, file) for field, file in _named(body.files)}
        return {
            field: None if _WEB_URL.match(url) else self._loader_of(url, field, body)
            for field, url in _named(body.request.images)
        }

    def _loader_of(self, url: str, field: str, body: Body) -> Load:
        if _FILE_ID.fullmatch(url):
            return lambda: Encoded(self.own.read(FileId(url), field))
        return partial(picture_of, url, field, body.pictures)

    def _normalise_fetched(self, fetched: Fetched, url: str, field: str) -> bytes:
        try:
            return self._normalise(partial(Encoded, fetched.data), field)
        except InvalidImage as error:
            if fetched.may_show_details:
                raise
            raise no_picture_from(url, field) from error

    def _normalise(self, load: Load, field: str) -> bytes:
        png = self.decoders.normalise(load, self.own.tenant, field)
        self.hold(len(png))
        return png


def _check_number(body: Body, max_images: int) -> None:
    """Checks how many condition images a request has, and that they come in one way only. Raises `InvalidRequest`."""
    urls, files = body.request.images, body.files
    if urls and files:
        raise InvalidRequest("send images either in the JSON or as files", "images")
    if len(urls) + len(files) > max_images:
        raise InvalidRequest(f"images holds {len(urls) + len(files)} pictures, more than {max_images}", "images")


def _named(images: Sequence[Image]) -> list[tuple[str, Image]]:
    """Returns condition images with the names of their fields."""
    return [(f"images[{index}]", image) for index, image in enumerate(images)]
