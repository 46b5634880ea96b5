"""Work beside the event loop, in a process whose sockets and locks are gevent's."""

import subprocess
import sys

import pytest

from api.offload import offload

TIMEOUT_S = 60

_PATCHED = "from gevent import monkey; monkey.patch_all()\nimport os, gevent\nfrom api.offload import offload\n"

_LOOP_GOES_ON = """
reading, writing = os.pipe()
held_up = gevent.spawn(offload, os.read, reading, 5)
gevent.sleep(0)
os.write(writing, b"alive")
print(held_up.get().decode())
"""

_ERROR_COMES_BACK = """
try:
    offload(int, "four")
except ValueError as error:
    print(error)
"""


def output(script: str) -> str:
    command = [sys.executable, "-c", _PATCHED + script]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout.strip()


def test_the_loop_goes_on_meanwhile() -> None:
    assert output(_LOOP_GOES_ON) == "alive"


def test_an_error_comes_back() -> None:
    assert "four" in output(_ERROR_COMES_BACK)


def test_without_a_loop_it_is_a_plain_call() -> None:
    assert offload(sorted, [2, 1], reverse=True) == [2, 1]
    with pytest.raises(ValueError, match="four"):
        offload(int, "four")


_RESOLVER_HANGS = """
import socket
from functools import partial
from api import resolving
reading, writing = os.pipe()
resolving._getaddrinfo = lambda *_, **__: os.read(reading, 1) and []
hanging = [gevent.spawn(resolving.look_up_apart, "hangs.example", 443) for _ in range(50)]
gevent.sleep(0)
print(socket.getaddrinfo("localhost", 80)[0][4][1], sum(map(bool, hanging)), flush=True)
os.write(writing, b"." * len(hanging))
gevent.joinall(hanging, raise_error=True)
"""


def test_names_of_ours_are_looked_up_while_those_of_callers_hang() -> None:
    assert output(_RESOLVER_HANGS) == "80 50"
