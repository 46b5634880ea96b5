"""What the operator may allow. The table of ranges that nobody may call is in `tests.shared.test_addresses`."""

from ipaddress import ip_address

import pytest

from shared.egress.errors import EgressRefused
from shared.egress.rules import LOOPBACK, EgressRules, Target
from shared.errors import Misconfigured
from shared.settings.settings import Settings


def rules(allow: str = "") -> EgressRules:
    return EgressRules.of(Settings(egress_allow=allow), lambda: False)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Hooks.Example.com", Target("https", "hooks.example.com", 443, "/")),
        ("https://hooks.example.com.:8443/a/b?c=%20#top", Target("https", "hooks.example.com", 8443, "/a/b?c=%20")),
        ("https://0x08080808/", Target("https", "8.8.8.8", 443, "/")),
        ("https://[2606:4700:0::1]/", Target("https", "2606:4700::1", 443, "/")),
    ],
)
def test_a_url_is_taken_apart_into_what_is_called(url: str, target: Target) -> None:
    assert rules().target(url) == target


@pytest.mark.parametrize(
    "url", ["http://10.1.2.3/", "https://10.1.2.3/", "http://[::ffff:10.1.2.3]/", "https://10.66051"]
)
def test_an_allowed_network_may_be_called_even_by_http(url: str) -> None:
    assert rules("10.1.0.0/16").target(url)
    with pytest.raises(EgressRefused):
        rules().target(url)


@pytest.mark.parametrize("url", ["http://hooks.lan/", "https://HOOKS.lan:8443/"])
def test_an_allowed_host_may_be_called_at_any_address(url: str) -> None:
    allowed = rules("10.1.0.0/16, hooks.lan ,fd00::/8")
    target = allowed.target(url)
    for address in ("10.9.9.9", "127.0.0.1", "fe80::1"):
        allowed.check(ip_address(address), target.host)


@pytest.mark.parametrize("host", ["evil.hooks.lan", "hooks.lan.evil.com", "hooks"])
def test_an_allowed_host_is_that_host_and_no_other(host: str) -> None:
    allowed = rules("hooks.lan")
    with pytest.raises(EgressRefused):
        allowed.target(f"http://{host}/")
    with pytest.raises(EgressRefused):
        allowed.check(ip_address("10.0.0.1"), host)


def test_a_network_that_is_allowed_says_nothing_about_its_neighbours() -> None:
    with pytest.raises(EgressRefused, match="has an address that is not public"):
        rules("10.1.0.0/16").check(ip_address("10.2.0.0"), "hooks.example.com")


@pytest.mark.attack
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "0.0.0.0"])
def test_where_the_api_listens_allows_nothing(host: str) -> None:
    of_settings = EgressRules.of(Settings(host=host), lambda: True)
    for url in ("http://127.0.0.1:9333/", "https://localhost/", "https://[::1]/"):
        with pytest.raises(EgressRefused, match="loopback"):
            of_settings.target(url)


@pytest.mark.attack
def test_what_is_allowed_to_an_open_api_ends_with_the_first_key() -> None:
    keys: list[str] = []
    found = EgressRules.of(Settings(egress_allow_while_open=LOOPBACK), lambda: not keys)
    assert found.target("http://127.0.0.1:9000/hook")
    assert found.allows_details([ip_address("127.0.0.1")])
    settled = found.settled()
    keys.append("gp_")
    with pytest.raises(EgressRefused, match="loopback"):
        found.target("http://127.0.0.1:9000/hook")
    with pytest.raises(EgressRefused):
        found.check(ip_address("127.0.0.1"), "rebound.example.com")
    assert not found.allows_details([ip_address("127.0.0.1")])
    assert settled.target("http://127.0.0.1:9000/hook")
    with pytest.raises(EgressRefused):
        found.settled().target("http://127.0.0.1:9000/hook")


@pytest.mark.parametrize(
    "entry", ["10.1.2.3/16", "300.1.1.1/8", "https://hooks.lan", "hooks lan", "10.1", "fd00::zz", "*"]
)
def test_an_allow_list_that_cannot_be_read_names_its_setting(entry: str) -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_EGRESS_ALLOW"):
        rules(entry)


@pytest.mark.parametrize("host", ["a" * 64 + ".com", "a..b", "-a.com", "a." * 127 + "com"])
def test_a_name_that_a_resolver_would_choke_on_is_refused(host: str) -> None:
    with pytest.raises(EgressRefused, match="names no host"):
        rules().target(f"https://{host}/")
