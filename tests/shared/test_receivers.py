import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.receivers import Address, check_receiver_url, is_loopback_host, resolve_receiver

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

Resolver = Callable[..., None]


def url_of(address: str, scheme: str = "https") -> str:
    return f"{scheme}://[{address}]/hook" if ":" in address else f"{scheme}://{address}/hook"


def is_accepted(url: str, *, allow_loopback: bool = False) -> bool:
    try:
        check_receiver_url(url, allow_loopback=allow_loopback)
    except InvalidRequest:
        return False
    return True


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the name server says."""
    table: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        if host not in table:
            raise socket.gaierror(socket.EAI_NONAME, "unknown name")
        kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(kinds[ip_address(a).version], socket.SOCK_STREAM, 6, "", (a, port)) for a in table[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_are_not_public_are_refused(address: str, names: dict[str, list[str]]) -> None:
    names["hooks.example.com"] = [address]
    assert not is_accepted(url_of(address), allow_loopback=True)
    with pytest.raises(InvalidRequest):
        resolve_receiver("hooks.example.com", 443, allow_loopback=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_accepted(address: str, names: dict[str, list[str]]) -> None:
    names["hooks.example.com"] = [address]
    assert is_accepted(url_of(address))
    assert resolve_receiver("hooks.example.com", 443, allow_loopback=False) == [ip_address(address)]


@pytest.mark.parametrize("address", LOOPBACK)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_is_for_an_api_on_loopback_only(address: str, scheme: str, names: dict[str, list[str]]) -> None:
    names["hooks.example.com"] = [address]
    assert is_accepted(url_of(address, scheme), allow_loopback=True)
    assert not is_accepted(url_of(address, scheme), allow_loopback=False)
    assert resolve_receiver("hooks.example.com", 80, allow_loopback=True) == [ip_address(address)]
    with pytest.raises(InvalidRequest):
        resolve_receiver("hooks.example.com", 80, allow_loopback=False)


@given(st.ip_addresses())
def test_an_address_means_the_same_in_a_url_and_from_a_name_server(address: Address) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(0, 0, 0, "", (host, port))])
        try:
            resolve_receiver(str(address), 443, allow_loopback=False)
        except InvalidRequest:
            assert not is_accepted(url_of(str(address)))
        else:
            assert is_accepted(url_of(str(address)))
            assert not address.is_private or isinstance(address, IPv6Address)


@given(st.ip_addresses(v=4))
def test_mapping_an_address_into_ipv6_changes_nothing(address: IPv4Address) -> None:
    assert is_accepted(url_of(f"::ffff:{address}")) == is_accepted(url_of(str(address)))


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "LOCALHOST", "localhost."]
)
def test_loopback_is_known_in_every_spelling(host: str) -> None:
    assert is_loopback_host(host)
    assert not is_accepted(f"http://{host}/", allow_loopback=False)


@pytest.mark.parametrize("host", ["10.1", "0xa9fea9fe", "2852039166", "0xa9.0xfe.0xa9.0xfe", "192.168.257"])
def test_private_addresses_are_known_in_every_spelling(host: str) -> None:
    assert not is_accepted(f"https://{host}/", allow_loopback=True)


def test_a_refusal_names_its_field_and_its_reason() -> None:
    with pytest.raises(InvalidRequest, match=r"169\.254\.169\.254 is link-local") as caught:
        check_receiver_url("https://169.254.169.254/latest/meta-data", allow_loopback=True)
    assert caught.value.field == "webhook_url"


def test_one_bad_address_of_a_name_refuses_all(names: dict[str, list[str]]) -> None:
    names["rebound.example.com"] = ["8.8.8.8", "10.0.0.7"]
    with pytest.raises(InvalidRequest, match=r"10\.0\.0\.7 is private"):
        resolve_receiver("rebound.example.com", 443, allow_loopback=False)


def test_every_address_of_a_name_is_given_once_and_in_order(names: dict[str, list[str]]) -> None:
    names["hooks.example.com"] = ["2606:4700::1", "8.8.4.4", "8.8.4.4"]
    found = resolve_receiver("hooks.example.com", 443, allow_loopback=False)
    assert [str(address) for address in found] == ["2606:4700::1", "8.8.4.4"]


def test_a_name_that_does_not_resolve_is_an_outage_and_not_a_bad_request(names: dict[str, list[str]]) -> None:
    with pytest.raises(OSError, match="unknown name"):
        resolve_receiver("gone.example.com", 443, allow_loopback=False)


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
