"""Network namespaces as machines: a link of their own to this one, whose packets can be dropped one way or both."""

import ctypes
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from tests.chaos.schedule import Way
from tests.cli.waiting import is_alive

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_PREFIX = "gridpress-chaos"
_NOBODY = "02:00:00:00:00:01"  # a frame to this address is taken by nobody: dropped without a word
_libc = ctypes.CDLL(None, use_errno=True)


def are_possible() -> bool:
    """Whether this process may make one and link it to itself."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with Namespace(0, free_network()):
            return True
    except subprocess.CalledProcessError:
        return False


def free_network() -> str:
    """The first two bytes of a private network that nobody uses here."""
    taken = set(re.findall(r"\b10\.(\d+)\.", _ip("-4", "addr") + _ip("-4", "route")))
    return f"10.{random.choice([n for n in range(64, 255) if str(n) not in taken])}"


def remove_forgotten() -> None:
    """Takes away what a run left that was killed itself. Its links go with the namespace."""
    for name in re.findall(rf"^{_PREFIX}-\d+-\d+", _ip("netns", "list"), re.MULTILINE):
        if not is_alive(int(name.split("-")[2])):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", name)


class Namespace:
    """One machine. It reaches server `k` of this machine at `address(k)`, over a subnet that only the two share."""

    def __init__(self, number: int, network: str, num_servers: int = 2) -> None:
        self.name = f"{_PREFIX}-{os.getpid()}-{number}"
        self._link = f"gp{os.getpid() % 1_000_000}n{number}"  # 15 characters at most
        self._subnet = f"{network}.{number}"
        self._num_servers = num_servers

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        try:
            self._join()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", self._link)
        _ip("netns", "del", self.name)

    @property
    def prefix(self) -> tuple[str, ...]:
        """Before a command, so that it runs there. The pid stays the same."""
        return ("ip", "netns", "exec", self.name)

    def address(self, server: int) -> str:
        """Ours, as this namespace sees it."""
        return f"{self._subnet}.{4 * server + 1}"

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile belong to the namespace."""
        mine, other = Path("/proc/thread-self/ns/net"), Path("/run/netns") / self.name
        with mine.open() as ours, other.open() as theirs:
            _enter(theirs.fileno())
            try:
                yield
            finally:
                _enter(ours.fileno())

    def drop(self, server: int, way: Way) -> None:
        """Packets of this way between the namespace and one server vanish; nobody is told."""
        for where in self._neighbours(server, way):
            _ip(*where[:-1], "neigh", "replace", where[-1], "lladdr", _NOBODY, "nud", "permanent", *self._device(where))

    def pass_on(self, server: int, way: Way) -> None:
        """They pass again."""
        for where in self._neighbours(server, way):
            _ip(*where[:-1], "neigh", "del", where[-1], *self._device(where))

    def _neighbours(self, server: int, way: Way) -> list[tuple[str, ...]]:
        """Whose notion of the other's hardware address decides over this way: there, and here."""
        to = ("-n", self.name, self.address(server))
        back = (f"{self._subnet}.{4 * server + 2}",)
        return {Way.TO: [to], Way.FROM: [back], Way.BOTH: [to, back]}[way]

    def _device(self, where: tuple[str, ...]) -> tuple[str, str]:
        return ("dev", "eth0" if where[0] == "-n" else self._link)

    def _join(self) -> None:
        _ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        there = ("-n", self.name)
        for server in range(self._num_servers):
            _ip("addr", "add", f"{self.address(server)}/30", "dev", self._link)
            _ip(*there, "addr", "add", f"{self._subnet}.{4 * server + 2}/30", "dev", "eth0")
        _ip("link", "set", self._link, "up")
        for device in ("lo", "eth0"):
            _ip(*there, "link", "set", device, "up")


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> str:
    return subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True).stdout
