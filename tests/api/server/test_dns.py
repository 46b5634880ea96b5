"""Look-ups beside the event loop, in a process whose sockets and locks are gevent's."""

import subprocess
import sys

TIMEOUT_S = 60

_PATCHED = "from gevent import monkey; monkey.patch_all()\nimport os, gevent\n"


def output(script: str) -> str:
    command = [sys.executable, "-c", _PATCHED + script]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout.strip()


_RESOLVER_HANGS = """
import socket
from functools import partial
from api.server import dns as resolving
reading, writing = os.pipe()
resolving._getaddrinfo = lambda *_, **__: os.read(reading, 1) and []
hanging = [gevent.spawn(resolving.look_up_for("a"), "hangs.example", 443) for _ in range(50)]
gevent.sleep(0)
print(socket.getaddrinfo("localhost", 80)[0][4][1], sum(map(bool, hanging)), flush=True)
os.write(writing, b"." * len(hanging))
gevent.joinall(hanging, raise_error=True)
"""

_A_TENANTS_NAMES_HANG = """
from api.server import dns as resolving
reading, writing = os.pipe()
plain = resolving._getaddrinfo
resolving._getaddrinfo = lambda host, *a, **k: os.read(reading, 1) and [] if "hangs" in host else plain(host, *a, **k)
hanging = [gevent.spawn(resolving.look_up_for(f"rude-{n % 3}"), "hangs.example", 443) for n in range(150)]
gevent.sleep(0)
with gevent.Timeout(20):
    print(*resolving.look_up_for("other")("localhost", 80)[:1], sum(map(bool, hanging)), flush=True)
os.write(writing, b"." * len(hanging))
gevent.joinall(hanging, raise_error=True)
"""


def test_names_of_ours_are_looked_up_while_those_of_callers_hang() -> None:
    assert output(_RESOLVER_HANGS) == "80 50"


def test_tenants_whose_names_hang_hold_up_no_other_tenant() -> None:
    assert output(_A_TENANTS_NAMES_HANG) in ("127.0.0.1 150", "::1 150")
