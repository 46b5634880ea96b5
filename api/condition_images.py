"""The bytes of the condition images that a request brings: as files, in data URLs, or behind web URLs.

Looks at none of them.
"""

import re
from base64 import b64decode
from collections.abc import Sequence

from api.body import Body
from shared.egress.images import ImageFetcher
from shared.errors import InvalidImage, InvalidRequest

_DATA_URL = re.compile(r"data:[^,]{0,200};base64", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://", re.IGNORECASE)


def condition_images(body: Body, max_images: int, fetcher: ImageFetcher) -> Sequence[bytes]:
    """In the order of the request. Nothing is fetched before all data URLs could be read.

    Raises `InvalidRequest` and `InvalidImage`, naming the field.
    """
    urls, files = body.request.images, body.files
    if urls and files:
        raise InvalidRequest("send images either in the JSON or as files", "images")
    if len(urls) + len(files) > max_images:
        raise InvalidRequest(f"images holds {len(urls) + len(files)} pictures, more than {max_images}", "images")
    return files or _from_urls({f"images[{index}]": url for index, url in enumerate(urls)}, fetcher)


def _from_urls(urls: dict[str, str], fetcher: ImageFetcher) -> list[bytes]:
    web_urls = {field: url for field, url in urls.items() if _WEB_URL.match(url)}
    images = {field: _from_data_url(url, field) for field, url in urls.items() if field not in web_urls}
    images.update(zip(web_urls, fetcher.fetch(web_urls), strict=True))
    return [images[field] for field in urls]


def _from_data_url(url: str, field: str) -> bytes:
    head, _, payload = url.partition(",")
    if not _DATA_URL.fullmatch(head):
        raise InvalidImage("neither an https URL nor a data URL such as data:image/png;base64,...", field)
    try:
        return b64decode(payload, validate=True)
    except ValueError as error:
        raise InvalidImage("not base64", field) from error
