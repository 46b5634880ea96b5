"""Ways to hide where a URL leads: spellings, translated addresses, names that change their mind, redirects, ports."""

import pytest

from shared.egress.client import EgressClient
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressRefused
from shared.egress.rules import EgressRules
from tests.shared.egress.servers import OPEN, STRICT, Names, answering, serving

pytestmark = pytest.mark.attack

METADATA = "169.254.169.254"
SPELLINGS = [
    # 127.0.0.1 and 169.254.169.254 as numbers of every base, and with parts left out
    "2130706433", "0x7f000001", "0X7F000001", "017700000001", "0177.0.0.01", "0x7f.1", "127.1", "127.0.1", "0",
    "0.0.0.0", "2852039166", "0xa9fea9fe", "0xA9.0xFE.0xA9.0xFE", "0251.0376.0251.0376", "025177524776",
    "169.254.43518", "169.16689662", "0251.254.0xa9fe", "127.0.0.1.", "169.254.169.254.", "127.255.255.254",
    "255.255.255.255",
    # IPv6 around an IPv4 address, and what stands for a private network by itself
    "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:a9fe:a9fe]",
    "[0:0:0:0:0:ffff:169.254.169.254]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::169.254.169.254]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::a9fe:a9fe]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::f5ff:fffe]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[fec0::1]", "[feff::1]", "[fe80::1]",
    "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[ff0e::1]", "[100::1]", "[2001:db8::1]", "[5f00::1]", "[3fff::1]",
    "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%251]", "[::ffff:10.0.0.1]", "[::10.0.0.1]",
    # names of this machine
    "localhost", "LOCALHOST", "localhost.", "LocalHost.",
]  # fmt: skip
TRICKS = [
    # userinfo, and what one parser takes for a host and another does not
    "https://hooks.example.com@127.0.0.1/", "https://127.0.0.1@hooks.example.com/", "https://@127.0.0.1/",
    "https://a:b@169.254.169.254/", "https://hooks.example.com%40127.0.0.1/", "https://127.0.0.1#@hooks.example.com/",
    "https://127.0.0.1?@hooks.example.com/", "https://hooks.example.com\\@127.0.0.1/", "https:\\\\127.0.0.1/",
    "https:/127.0.0.1/", "https:127.0.0.1", "https://127.0.0.1:443:80/", "https://[::1]:443@hooks.example.com/",
    "https://[127.0.0.1]/", "https://[hooks.example.com]/", "https://127.0.0.1%00.example.com/", "https://127.0.0.1%2f/",
    "https://%31%32%37.0.0.1/", "https://127。0。0。1/", "https://127．0．0．1/", "https://①②⑦.0.0.1/",
    "https://１２７.0.0.1/", "https://local\u00adhost/", "https://hooks.example.com\t@127.0.0.1/",
    "https://127.0.0.1\r\nHost: x/", "https://127.0.0.1 /", "ht\ntps://127.0.0.1/", "https://127.0.0.1..//",
    "https://.127.0.0.1/", "https://0x7f.0.0.1.:443/", "https://127.0.0.1\0/",
    # schemes and ports
    "http://hooks.example.com/", "gopher://127.0.0.1:6379/_SET", "file://127.0.0.1/etc/passwd", "ftp://hooks.example.com/",
    "dict://hooks.example.com:11211/", "unix:///run/docker.sock", "https://hooks.example.com:0/",
    "https://hooks.example.com:65536/", "https://hooks.example.com:-1/", "https://hooks.example.com:４４３/",
    "https://hooks.example.com:4 43/", "ws://127.0.0.1/", "javascript://127.0.0.1/", "//127.0.0.1/", "",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_hides_an_address_that_is_not_public(scheme: str, host: str) -> None:
    with pytest.raises(EgressRefused):
        STRICT.target(f"{scheme}://{host}/latest/meta-data")


@pytest.mark.parametrize("url", TRICKS)
def test_no_url_is_read_in_two_ways(url: str) -> None:
    with pytest.raises(EgressRefused):
        STRICT.target(url)


@pytest.mark.parametrize(
    "address", [METADATA, "10.0.0.7", "::ffff:10.0.0.7", "64:ff9b::a9fe:a9fe", "fd00::1", "0.0.0.0"]
)
def test_a_name_that_leads_to_no_public_address_is_refused_without_telling_which(address: str) -> None:
    client = EgressClient(STRICT, resolve=Names([[address]]))
    with pytest.raises(EgressRefused, match=r"^inside\.example has an address that is not public$"):
        client.get("https://inside.example/", Deadline(5), max_bytes=9)


def test_one_public_address_beside_a_private_one_helps_nobody() -> None:
    client = EgressClient(STRICT, resolve=Names([["8.8.8.8", "127.0.0.1"]]))
    with pytest.raises(EgressRefused, match="not public"):
        client.get("https://both.example/", Deadline(5), max_bytes=9)


def test_a_name_that_changes_its_mind_is_looked_up_once_for_each_call() -> None:
    names = Names([["127.0.0.1"], ["169.254.169.254"]])
    client = EgressClient(OPEN, resolve=names)
    with serving(answering()) as server:
        with pytest.raises(EgressRefused):  # a name may not be called by plain http, wherever it leads
            client.get(server.url("rebound.example"), Deadline(5), max_bytes=9)
        assert server.heard == []
    assert names.asked == []
    with pytest.raises(EgressRefused, match="not public"):
        EgressClient(STRICT, resolve=names).get("https://rebound.example/", Deadline(5), max_bytes=9)
    assert names.asked == ["rebound.example"]


@pytest.mark.parametrize(
    "to", ["http://127.0.0.1:9333/col/delete", f"http://{METADATA}/", "https://localhost/", "//[::1]/"]
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_leads_nowhere(status: str, to: str) -> None:
    with serving(answering(status, location=to)) as server:
        answer = EgressClient(OPEN).get(server.url(), Deadline(5), max_bytes=9)
        assert answer.status == int(status[:3])
        assert len(server.heard) == 1


def test_a_refused_address_is_never_connected_to() -> None:
    with serving(answering()) as server:
        for url in (
            server.url(),
            server.url(scheme="https"),
            server.url("localhost"),
            server.url("[::ffff:127.0.0.1]"),
        ):
            with pytest.raises(EgressRefused):
                EgressClient(EgressRules()).get(url, Deadline(5), max_bytes=9)
    assert server.heard == []
