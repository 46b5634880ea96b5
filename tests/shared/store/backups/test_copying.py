"""A copy of the store is the store as it was at one moment, whatever writes meanwhile."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis

from shared.errors import Misconfigured, StoreUnavailable
from shared.store.backups import copying
from shared.store.backups.copying import copied_records
from shared.store.backups.records import NONE, Record, read_records, write_records
from shared.store.core.connect import Client, connect_to_copy

P = "gridpress:"


@pytest.fixture
def copier(client: Client, valkey_url: str) -> Iterator[Client]:
    """A client for copies, beside the client of a service."""
    found = connect_to_copy(valkey_url)
    yield found
    found.close()


def last_of(pages: Sequence[Sequence[Record]]) -> dict[str, Any]:
    """What a restore makes of the pages: the last record of each key counts."""
    found = {name: value for page in pages for name, kind, _, value in page if kind != NONE}
    gone = {name for name, kind in {name: kind for page in pages for name, kind, *_ in page}.items() if kind == NONE}
    return {name: value for name, value in found.items() if name not in gone}


def every_type(client: Client) -> None:
    client.set(P + "string", "é")
    client.set(P + "bytes", b"\xff\x00\n")
    client.set(P + "short-lived", "x", px=3_600_000)
    client.hset(P + "hash", mapping={"a": "1", "b": ""})
    client.sadd(P + "set", "x", "y")
    client.rpush(P + "list", "b", "a", "b")
    client.zadd(P + "zset", {"m": 1764532800123.0, "n": 0.1, "o": float("inf")})
    client.zadd(P + "large", {f"member-{number}": number for number in range(2500)})
    client.xadd(P + "stream", {"type": "job.queued", "data": "{}"}, id="5-1")
    client.xadd(P + "stream", {"type": "job.running", "data": "{}"}, id="5-2")


def dumps(client: Client) -> dict[str, Any]:
    names = sorted(client.keys("*"))
    return {name: (kind, value) for name, kind, _, value in read_records(client, names)}


def test_keys_of_every_type_read_back_as_they_were(client: Client, copier: Client) -> None:
    every_type(client)
    before = dumps(copier)
    pages = list(copied_records(copier))
    client.flushdb()
    for page in pages:
        write_records(copier, page)
    assert dumps(copier) == before
    assert 3_500_000 < client.pttl(P + "short-lived") <= 3_600_000
    assert client.pttl(P + "string") == -1


def test_hints_holds_the_state_and_keys_of_others_are_left_out(client: Client, copier: Client) -> None:
    client.set(P + "kept", "x")
    client.hset(f"{P}state", "version", 2)
    for name in (f"{P}celery:ar", f"{P}backups", "others"):
        client.set(name, "x")
    assert list(last_of(list(copied_records(copier)))) == [P + "kept"]


@pytest.mark.attack
def test_a_copy_under_writes_is_one_moment(client: Client, copier: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script moves a token from key to key and counts. At any one moment exactly one of 300 keys has the token, and
    it has the number of the count.
    """
    monkeypatch.setattr(copying, "_SCANNED", 20)
    monkeypatch.setattr(copying, "_FEW", 100)
    move = client.register_script(
        "local n = redis.call('INCR', KEYS[1]) redis.call('DEL', KEYS[2] .. (n - 1) % 300) "
        "redis.call('SET', KEYS[2] .. n % 300, n)"
    )
    for number in range(2000):
        client.set(f"{P}filler:{number}", "x")
    stopping = threading.Event()

    def keep_moving() -> None:
        while not stopping.is_set():
            move(keys=[P + "count", P + "at:"])

    moving = threading.Thread(target=keep_moving)
    moving.start()
    try:
        for _ in range(3):
            found = last_of(list(copied_records(copier)))
            tokens = [value for name, value in found.items() if name.startswith(P + "at:")]
            assert tokens == [found[P + "count"]]
    finally:
        stopping.set()
        moving.join()


def write_during_the_first_page(client: Client, copier: Client, write: Any) -> list[Sequence[Record]]:
    pages = copied_records(copier)
    first = next(pages)
    write()
    return [first, *pages]


def test_a_key_that_is_deleted_changed_or_made_meanwhile_is_as_it_is_at_the_end(client: Client, copier: Client) -> None:
    client.mset({P + "deleted": "x", P + "changed": "x", P + "retyped": "x", P + "same": "x"})

    def write() -> None:
        client.delete(P + "deleted", P + "retyped")
        client.set(P + "changed", "y")
        client.rpush(P + "retyped", "z")
        client.set(P + "made", "new")

    found = last_of(write_during_the_first_page(client, copier, write))
    assert found == {P + "changed": "y", P + "retyped": ["z"], P + "same": "x", P + "made": "new"}


def test_a_key_that_expires_meanwhile_is_not_in_the_copy(client: Client, copier: Client) -> None:
    client.set(P + "expires", "x")
    client.set(P + "stays", "x")
    found = last_of(write_during_the_first_page(client, copier, lambda: client.pexpireat(P + "expires", 1)))
    assert list(found) == [P + "stays"]


@pytest.mark.attack
@pytest.mark.parametrize("fault", ["emptied", "cut"])
def test_a_copy_that_may_have_missed_changes_fails(client: Client, copier: Client, fault: str) -> None:
    client.set(P + "a", "x")

    def write() -> None:
        client.flushall() if fault == "emptied" else client.client_kill_filter(_type="normal", skipme=True)

    with pytest.raises(StoreUnavailable, match="emptied" if fault == "emptied" else "job store"):
        write_during_the_first_page(client, copier, write)


@pytest.mark.attack
def test_a_store_that_changes_faster_than_it_is_copied_is_refused_and_goes_on(
    client: Client, copier: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that refuses CLIENT PAUSE, and a write in each round."""
    client.set(P + "a", "x")
    read = copying.read_records

    def read_and_write(*args: Any) -> list[Record]:
        found = read(*args)
        client.incr(P + "count")
        return found

    def refuse(*command: Any, **_: Any) -> None:
        assert command[0] == "CLIENT PAUSE"
        raise redis.exceptions.NoPermissionError("NOPERM")

    monkeypatch.setattr(copying, "read_records", read_and_write)
    monkeypatch.setattr(copier, "execute_command", refuse)
    monkeypatch.setattr(copier, "scan", lambda *_, **__: (0, [P + "a"]))
    with pytest.raises(StoreUnavailable, match="changes faster"):
        list(copied_records(copier))


def test_writes_wait_no_longer_than_the_copy_of_the_last_keys(client: Client, copier: Client) -> None:
    client.set(P + "a", "x")
    list(copied_records(copier))
    assert client.set(P + "a", "y")  # would wait until the pause ends
    assert client.info("clients").get("paused_reason", "none") == "none"


@pytest.mark.attack
def test_a_server_that_refuses_to_report_changes_is_refused_in_one_line(client: Client, valkey_url: str) -> None:
    client.acl_setuser("copy", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-client|tracking"])
    try:
        as_user = connect_to_copy(valkey_url.replace("//:", "//copy:"))
        with pytest.raises(Misconfigured, match="CLIENT TRACKING"):
            list(copied_records(as_user))
        as_user.close()
    finally:
        client.acl_deluser("copy")
