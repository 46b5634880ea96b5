"""Who may be called without an allow-list: the ranges that are not for the public, and the URLs that hide them."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.addresses import Address, is_loopback_host
from shared.egress.connect import look_up
from shared.egress.errors import EgressRefused
from tests.shared.egress.servers import OPEN, STRICT

LOOPBACK = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"]
# The first and the last address of every range that is not for the public.
REFUSED = [
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.192",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.88.99.0",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.254",
    "255.255.255.255",
    "::",
    "::8.8.8.8",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "2002::1",
    "2002:7f00:1::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff00::1",
    "ff02::1",
]
# Their neighbours outside.
PUBLIC = [
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "191.255.255.255", "192.0.1.0", "192.0.1.255", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
    "223.255.255.255", "8.8.8.8", "::ffff:8.8.8.8", "2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1",
    "2003::1", "2606:4700::1111", "2a00:1450::1", "3ffe::1", "3fff:1000::1",
]  # fmt: skip


def url_of(address: str, scheme: str = "https") -> str:
    return f"{scheme}://[{address}]/hook" if ":" in address else f"{scheme}://{address}/hook"


def is_accepted(url: str, *, allow_loopback: bool = False) -> bool:
    try:
        (OPEN if allow_loopback else STRICT).target(url)
    except EgressRefused:
        return False
    return True


def may_be_called(address: str, *, allow_loopback: bool = False) -> bool:
    """Where a name server gives this address for a name."""
    try:
        (OPEN if allow_loopback else STRICT).check(ip_address(address), "hooks.example.com")
    except EgressRefused:
        return False
    return True


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_accepted(url_of(address), allow_loopback=True)
    assert not may_be_called(address, allow_loopback=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_accepted(address: str) -> None:
    assert is_accepted(url_of(address))
    assert may_be_called(address)


@pytest.mark.parametrize("address", LOOPBACK)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_is_for_an_api_on_loopback_only(address: str, scheme: str) -> None:
    assert is_accepted(url_of(address, scheme), allow_loopback=True)
    assert may_be_called(address, allow_loopback=True)
    assert not is_accepted(url_of(address, scheme))
    assert not may_be_called(address)


@given(st.ip_addresses())
def test_an_address_means_the_same_in_a_url_and_from_a_name_server(address: Address) -> None:
    is_public = may_be_called(str(address))
    assert is_accepted(url_of(str(address))) == is_public
    assert not (is_public and address.is_private) or isinstance(address, IPv6Address)


@given(st.ip_addresses(v=4))
def test_mapping_an_address_into_ipv6_changes_nothing(address: IPv4Address) -> None:
    assert is_accepted(url_of(f"::ffff:{address}")) == is_accepted(url_of(str(address)))


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "LOCALHOST", "localhost."]
)
def test_loopback_is_known_in_every_spelling(host: str) -> None:
    assert is_loopback_host(host)
    assert not is_accepted(f"http://{host}/")


@pytest.mark.parametrize("host", ["10.1", "0xa9fea9fe", "2852039166", "0xa9.0xfe.0xa9.0xfe", "192.168.257"])
def test_private_addresses_are_known_in_every_spelling(host: str) -> None:
    assert not is_accepted(f"https://{host}/", allow_loopback=True)


def test_a_refusal_names_its_reason() -> None:
    with pytest.raises(EgressRefused, match=r"169\.254\.169\.254 is link-local"):
        OPEN.target("https://169.254.169.254/latest/meta-data")


def test_a_look_up_gives_every_address_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", (address, 443)) for address in ("2606:4700::1", "8.8.4.4", "8.8.4.4")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert [str(address) for address in look_up("hooks.example.com", 443)] == ["2606:4700::1", "8.8.4.4"]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com:8443/a/b?c=d&e=%20#f",
        "HTTPS://Hooks.Example.COM/",
        "https://xn--bcher-kva.example/",
        "https://hooks.example.com./",
        "https://under_score.example.com/",
    ],
)
def test_https_urls_are_accepted(url: str) -> None:
    assert is_accepted(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example.com", "//hooks.example.com", "https:", "https://", "https:///path", "https://:443/",
        "http://hooks.example.com/", "ftp://hooks.example.com/", "file:///etc/passwd", "javascript:alert(1)",
        "https://user@hooks.example.com/", "https://user:secret@hooks.example.com/", "https://:@hooks.example.com/",
        "https://hooks.example.com:0/", "https://hooks.example.com:65536/", "https://hooks.example.com:x/",
        "https://hooks example.com/", "https://hooks.example.com/a b", "https://hooks.example.com/\r\nX: y",
        "https://hooks.example.com/\t", "https://hooks.example.com\\@127.0.0.1/", "https://b\u00fccher.example/",
        "https://[::1/", "https://[nonsense]/", "https://[fe80::1%25eth0]/", "https://%31%30.0.0.1/",
        "https://hooks.example.com/" + "a" * 2048,
    ],
)  # fmt: skip
def test_odd_urls_are_refused(url: str) -> None:
    assert not is_accepted(url, allow_loopback=True)


@given(st.text(max_size=80))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    for url in (text, f"https://{text}", f"http://[{text}]/"):
        is_accepted(url, allow_loopback=True)
