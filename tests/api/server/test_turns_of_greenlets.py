"""Which greenlets run when: how often a request lets all others run, and whom a full house closes.

In a crowd each turn of all others is a wait for a whole round of them.
"""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.attack

TIMEOUT_S = 60

_PATCHED = """
from gevent import monkey; monkey.patch_all()
from api.connections import polling; polling.install()
import select, socket, greenlet
with socket.create_server(("127.0.0.1", 0)) as server:
    theirs = socket.create_connection(server.getsockname())
    ours, _ = server.accept()
    theirs2 = socket.create_connection(server.getsockname())
    ours2, _ = server.accept()
turns = []
def count(do):
    turns.clear()
    greenlet.settrace(lambda event, args: turns.append(event))
    found = do()
    greenlet.settrace(None)
    return found, len(turns)
"""

_LOOKS = """
poll = select.poll()
poll.register(ours, select.POLLIN | select.POLLRDHUP)
print(count(lambda: [events for _, events in poll.poll(0)]))
theirs.send(b".")
print(count(lambda: [events for _, events in poll.poll(0)]))
print(len(poll.poll(1000)))
theirs.close()
print([bool(events & select.POLLRDHUP) for _, events in poll.poll(0)])
poll.unregister(ours)
print(poll.poll(0))
"""

_READS = """
from gevent.pool import Pool
from api.connections.connection import Connection, ConnectionLimits
from api.connections.shedding import ConnectionShedder
connection = Connection(ours, ConnectionLimits(10.0, 10.0, 1000), ConnectionShedder(Pool(8)))
theirs.send(b"ab")
print(count(lambda: connection.recv(1)))
print(count(lambda: connection.recv(1))[1] > 0)
"""


_SHEDS = """
import gevent, time
from gevent.pool import Pool
from api.connections import connection, shedding
shedding._SLOW_S = 0.0
pool = Pool(1)
pool.spawn(gevent.sleep, 60)
room = shedding.ConnectionShedder(pool)
limits = connection.ConnectionLimits(60.0, 60.0, 1000)
stranger, caller = (connection.Connection(one, limits, room) for one in (ours, ours2))
for each in (stranger, caller):
    each.expect_body()
connection.mark_admitted({"gunicorn.socket": caller})
sending = [gevent.spawn(each.send_last, bytes(50_000_000)) for each in (stranger, caller)]
gevent.sleep(0.1)
room.make_room()
gevent.joinall(sending, timeout=5, count=1)
print([type(each.exception).__name__ if each.ready() else "sends" for each in sending])
stranger.close()
print(len(room._readers), len(room._closing))
"""


def output(script: str) -> list[str]:
    command = [sys.executable, "-c", _PATCHED + script]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return ended.stdout.splitlines()


def test_a_look_at_a_socket_takes_no_turn() -> None:
    assert output(_LOOKS) == ["([], 0)", "([1], 0)", "1", "[True]", "[]"]


def test_what_a_new_client_has_sent_is_read_at_once_and_what_it_sends_more_in_turn() -> None:
    assert output(_READS) == ["(b'a', 0)", "True"]


def test_a_full_house_closes_the_connection_of_a_stranger_who_reads_nothing_and_no_callers() -> None:
    assert output(_SHEDS) == ["['ConnectionResetError', 'sends']", "0 0"]
