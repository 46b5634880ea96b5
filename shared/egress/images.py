"""Fetches the condition images that a request gives by URL. Does not decode them."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from shared.egress.client import BodyEnd, EgressClient, EgressResponse
from shared.egress.connect import Resolve
from shared.egress.deadline import Deadline
from shared.egress.errors import NO_DETAILS, EgressFailed, EgressRefused
from shared.egress.rules import EgressRules
from shared.errors import InvalidImage
from shared.ids import TenantId
from shared.settings.settings import Settings

LookUpFor = Callable[[TenantId], Resolve]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes that a URL returned. `may_show_details` says whether an error may tell the caller what is wrong with
    them.
    """

    data: bytes
    may_show_details: bool


@dataclass(frozen=True, slots=True)
class ImageFetcher:
    """Fetches the images of a request from URLs. `max_bytes` limits the size of each image. `max_total_bytes` limits
    the size of all images of one request together, and `timeout_s` limits the time for all of them.

    Redirects are not followed, because only checked URLs are fetched. For a redirect, the error message asks for the
    final URL.
    """

    client: EgressClient
    timeout_s: float
    max_bytes: int
    max_total_bytes: int
    look_up_for: LookUpFor | None = None

    @classmethod
    def of(cls, settings: Settings, rules: EgressRules, look_up_for: LookUpFor | None = None) -> Self:
        """Creates a fetcher from the settings. All fetched images together may be as large as a request body."""
        limits = (settings.fetch_timeout_s, settings.max_fetched_bytes, settings.max_body_bytes)
        return cls(EgressClient(rules), *limits, look_up_for)

    def of_tenant(self, tenant: TenantId) -> Self:
        """Returns an image fetcher for one tenant. Its DNS look-ups do not wait for those of other tenants."""
        if self.look_up_for is None:
            return self
        return replace(self, client=self.client.with_resolver(self.look_up_for(tenant)))

    def fetch(self, urls: Mapping[str, str]) -> Iterator[Fetched]:
        """Yields the image of each URL, in order. The keys of `urls` are field names for errors. Raises `InvalidImage`.

        An image is fetched only after the caller has processed the previous one. Only the time for fetching counts
        against the timeout.
        """
        deadline, bytes_left = Deadline(self.timeout_s), self.max_total_bytes
        for field, url in urls.items():
            image = self._fetch(url, field, deadline, bytes_left)
            bytes_left -= len(image.data)
            fetched_at = time.monotonic()
            yield image
            deadline.put_off(time.monotonic() - fetched_at)

    def _fetch(self, url: str, field: str, deadline: Deadline, bytes_left: int) -> Fetched:
        try:
            answer = self.client.get(url, deadline, max_bytes=min(self.max_bytes, bytes_left))
        except EgressRefused as error:
            raise InvalidImage(f"{field} can't be fetched: {error}", field) from error
        except EgressFailed as error:
            raise InvalidImage(f"{field} could not be fetched: {error}", field) from error
        problem = self._problem(answer)
        if problem and not answer.may_show_details:
            raise no_picture_from(url, field)
        if problem:
            raise InvalidImage(f"{field} could not be fetched: {problem}", field)
        return Fetched(answer.body, answer.may_show_details)

    def _problem(self, answer: EgressResponse) -> str | None:
        if answer.status // 100 == 3:
            return f"the server responded with {answer.status}, and redirects are not followed: give the final URL"
        if answer.status != 200:
            return f"the server responded with {answer.status}"
        match answer.body_end:
            case BodyEnd.WHOLE:
                return None
            case BodyEnd.TOO_LARGE:
                is_own_fault = len(answer.body) == self.max_bytes
                all_images = f"all images together have more than {self.max_total_bytes} bytes"
                return f"it has more than {self.max_bytes} bytes" if is_own_fault else all_images
            case BodyEnd.TOO_SLOW:
                return f"it did not end within {self.timeout_s:g} s"
            case BodyEnd.BROKEN:
                return "the connection broke off"


def no_picture_from(url: str, field: str) -> InvalidImage:
    """Returns the error for an image URL whose host has an address that is not public. It gives no reason, since a
    reason would reveal details of the operator's network.
    """
    return InvalidImage(f"{field} could not be fetched: {urlsplit(url).hostname} {NO_DETAILS}", field)
