"""How often a request lets all other greenlets run: in a crowd each time is a wait for a whole round of them."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.attack

TIMEOUT_S = 60

_PATCHED = """
from gevent import monkey; monkey.patch_all()
from api import polling; polling.install()
import select, socket, greenlet
with socket.create_server(("127.0.0.1", 0)) as server:
    theirs = socket.create_connection(server.getsockname())
    ours, _ = server.accept()
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
from api.connection import Connection, Lobby, Pace
connection = Connection(ours, Pace(10.0, 10.0, 1000), Lobby(Pool(8)))
theirs.send(b"ab")
print(count(lambda: connection.recv(1)))
print(count(lambda: connection.recv(1))[1] > 0)
"""


def output(script: str) -> list[str]:
    command = [sys.executable, "-c", _PATCHED + script]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return ended.stdout.splitlines()


def test_a_look_at_a_socket_takes_no_turn() -> None:
    assert output(_LOOKS) == ["([], 0)", "([1], 0)", "1", "[True]", "[]"]


def test_what_a_new_client_has_sent_is_read_at_once_and_what_it_sends_more_in_turn() -> None:
    assert output(_READS) == ["(b'a', 0)", "True"]
