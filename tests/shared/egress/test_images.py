"""Condition images by URL: every way not to get one is the request's own error, and names its field."""

import pytest

from shared.egress.client import EgressClient
from shared.egress.images import Fetched, ImageFetcher, no_picture_from
from shared.egress.rules import LOOPBACK, AllowList, EgressRules
from shared.errors import InvalidImage
from tests.shared.egress.servers import OPEN, STRICT, Behaviour, answering, endless, resetting, serving


def fetcher(*, allow_loopback: bool = True, timeout_s: float = 30.0, max_total_bytes: int = 9999) -> ImageFetcher:
    return ImageFetcher(EgressClient(OPEN if allow_loopback else STRICT), timeout_s, 1000, max_total_bytes)


def test_images_come_back_in_the_order_in_which_they_were_named() -> None:
    with serving(answering(body=b"cat")) as cat, serving(answering(body=b"dog")) as dog:
        found = fetcher().fetch({"images.0": cat.url(), "images.1": dog.url()})
        assert list(found) == [Fetched(b"cat", True), Fetched(b"dog", True)]


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (answering("404 Not Found"), "responded with 404"),
        (answering("302 Found", location="http://127.0.0.1:1/"), "redirects are not followed: give the final URL"),
        (answering("206 Partial Content", b"ha"), "responded with 206"),
        (answering(body=b"x" * 1001), "more than 1000 bytes"),
        (resetting(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), "broke off"),
        (lambda connection: connection.sendall(b"hello"), "did not answer in HTTP"),
    ],
)
def test_a_server_that_has_no_image_is_told_of_with_the_field(behave: Behaviour, reason: str) -> None:
    with serving(behave) as server, pytest.raises(InvalidImage, match=reason) as caught:
        list(fetcher().fetch({"images.0": server.url()}))
    assert caught.value.field == "images.0"


def test_all_images_of_a_request_share_one_budget_of_bytes() -> None:
    with serving(answering(body=b"x" * 800)) as server:
        urls = {"images.0": server.url(), "images.1": server.url()}
        assert [len(image.data) for image in fetcher(max_total_bytes=1600).fetch(urls)] == [800, 800]
        with pytest.raises(InvalidImage, match="all images together have more than 1599 bytes") as caught:
            list(fetcher(max_total_bytes=1599).fetch(urls))
    assert caught.value.field == "images.1"


def test_a_body_that_drips_does_not_end_in_time() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"
    with (
        serving(endless(head, b"x", between_s=0.05)) as server,
        pytest.raises(InvalidImage, match=r"did not end within 0\.2 s"),
    ):
        list(fetcher(timeout_s=0.2).fetch({"images.0": server.url()}))


def test_a_private_address_is_refused_before_anything_is_sent() -> None:
    with serving(answering()) as server, pytest.raises(InvalidImage, match="is loopback") as caught:
        list(fetcher(allow_loopback=False).fetch({"image_url": server.url(scheme="https")}))
    assert server.heard == []
    assert caught.value.field == "image_url"


# Allowed by the operator, while there are keys: what is found there is not for every tenant.
ALLOWED = EgressRules(AllowList.read(LOOPBACK, "LOOPBACK"))


@pytest.mark.attack
@pytest.mark.parametrize(
    "behave",
    [
        None,  # a closed port
        answering("404 Not Found", b"no such thing"),
        answering("302 Found", location="http://127.0.0.1:1/"),
        answering("206 Partial Content", b"ha"),
        answering(body=b"x" * 1001),
        resetting(),
        resetting(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"),
        lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"),
        lambda connection: connection.close(),
    ],
)
def test_an_address_that_is_not_public_tells_nothing_but_that_no_picture_came(behave: Behaviour | None) -> None:
    strict = ImageFetcher(EgressClient(ALLOWED), 5.0, 1000, 9999)
    with serving(behave or answering()) as server:
        url = server.url()
        if behave:
            with pytest.raises(InvalidImage) as caught:
                list(strict.fetch({"images[0]": url}))
    if not behave:
        with pytest.raises(InvalidImage) as caught:
            list(strict.fetch({"images[0]": url}))
    assert str(caught.value) == str(no_picture_from(url, "images[0]"))


@pytest.mark.attack
def test_what_is_fetched_from_an_address_that_is_not_public_may_not_be_told_of() -> None:
    with serving(answering(body=b"root:x:0:0")) as server:
        found = list(ImageFetcher(EgressClient(ALLOWED), 5.0, 1000, 9999).fetch({"images[0]": server.url()}))
    assert [each.may_show_details for each in found] == [False]
