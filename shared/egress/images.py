"""Fetches the condition images that a request gives by URL. Does not decode them."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from shared.egress.client import Answer, BodyEnd, EgressClient
from shared.egress.connect import Resolve
from shared.egress.deadline import Deadline
from shared.egress.errors import NOTHING_TOLD, EgressFailed, EgressRefused
from shared.egress.rules import EgressRules
from shared.errors import InvalidImage
from shared.ids import TenantId
from shared.settings.settings import Settings

LookUpFor = Callable[[TenantId], Resolve]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes of a URL. `may_be_told`: the caller may learn what is wrong with them."""

    data: bytes
    may_be_told: bool


@dataclass(frozen=True, slots=True)
class ImageFetcher:
    """Fetches images. `max_bytes` limits each image; `max_total_bytes` and `timeout_s` limit all images of one request.

    A redirect is an error that says so: the caller can give the final URL, and only checked URLs are fetched.
    """

    client: EgressClient
    timeout_s: float
    max_bytes: int
    max_total_bytes: int
    look_up_for: LookUpFor | None = None

    @classmethod
    def of(cls, settings: Settings, rules: EgressRules, look_up_for: LookUpFor | None = None) -> Self:
        """Makes a fetcher from the settings. Fetched images may be as large in all as a request body."""
        limits = (settings.fetch_timeout_s, settings.max_fetched_bytes, settings.max_body_bytes)
        return cls(EgressClient(rules), *limits, look_up_for)

    def of_tenant(self, tenant: TenantId) -> Self:
        """Returns a fetcher for one tenant, whose look-ups wait for no other tenant's."""
        if self.look_up_for is None:
            return self
        return replace(self, client=self.client.resolving_with(self.look_up_for(tenant)))

    def fetch(self, urls: Mapping[str, str]) -> Iterator[Fetched]:
        """Yields the bytes of each URL, in order; the keys are the field names for errors. Raises `InvalidImage`.

        An image is fetched once the caller has processed the one before. Only the time of fetching counts.
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
        if problem and not answer.may_be_told:
            raise no_picture_from(url, field)
        if problem:
            raise InvalidImage(f"{field} could not be fetched: {problem}", field)
        return Fetched(answer.body, answer.may_be_told)

    def _problem(self, answer: Answer) -> str | None:
        if answer.status // 100 == 3:
            return f"the server answered {answer.status}, and redirects are not followed: give the final URL"
        if answer.status != 200:
            return f"the server answered {answer.status}"
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
    """Returns the error for a URL at a non-public address: it gives no reason, as `EgressClient` does."""
    return InvalidImage(f"{field} could not be fetched: {urlsplit(url).hostname} {NOTHING_TOLD}", field)
