"""Every role on a machine of its own: where it runs, how it reaches the two stores, and what of that way is silent.

A machine is a network namespace. Where none can be made, a role's own proxies stand for its network: they stop
passing bytes on and leave all connections open.
"""

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Self
from urllib.parse import urlsplit

from tests.chaos import namespaces
from tests.chaos.namespaces import Namespace
from tests.chaos.proxy import Address, Proxy
from tests.chaos.schedule import STORES, Way

LOOPBACK = "127.0.0.1"
URL_VARIABLES = {"valkey-0": "GRIDPRESS_REDIS_URL", "seaweedfs-0": "GRIDPRESS_S3_ENDPOINT_URL"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a role runs: what comes before its command, and HOST:PORT by the variable whose URL is to lead there."""

    prefix: tuple[str, ...]
    addresses: Mapping[str, str]

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The same URLs, to where this place reaches the stores."""
        return {name: _led_to(given[name], address) for name, address in self.addresses.items()}


class Network:
    """`store_address` tells where a store listens now: ports change with every start of the supervisor."""

    def __init__(self, roles: Iterable[str], store_address: Callable[[str], Address]) -> None:
        self.roles = tuple(roles)
        self._store_address = store_address
        self._stack = ExitStack()
        self._machines: dict[str, Namespace] = {}
        self._lines: dict[tuple[str, str], Proxy] = {}
        self._silences: Counter[tuple[str, str, Way]] = Counter()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if namespaces.are_possible():
                namespaces.remove_forgotten()
                network = namespaces.free_network()
                for number, role in enumerate(self.roles, start=1):
                    self._machines[role] = stack.enter_context(Namespace(number, network))
            for role in self.roles:
                for store in STORES:
                    self._lines[role, store] = stack.enter_context(self._line(role, store))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def has_machines(self) -> bool:
        """Whether packets are dropped; else proxies stand still."""
        return bool(self._machines)

    def place(self, role: str) -> Place:
        lines = {variable: self._lines[role, store] for store, variable in URL_VARIABLES.items()}
        machine = self._machines.get(role)
        return Place(machine.prefix if machine else (), {name: line.address for name, line in lines.items()})

    def let_in(self, role: str, port: int) -> int:
        """A port of ours that leads to the role's own loopback, which silence does not touch."""
        if role not in self._machines:
            return port
        return self._stack.enter_context(Proxy(partial(self._connect_inside, role, (LOOPBACK, port)))).port

    def let_out(self, role: str, port: int) -> None:
        """The role's loopback leads to a port of ours, which silence does not touch."""
        if role in self._machines:
            with self._machines[role].inside():
                listener = socket.create_server((LOOPBACK, port))
            self._stack.enter_context(Proxy(partial(_connect, (LOOPBACK, port)), listener))

    def connect_as(self, role: str, store: str) -> socket.socket:
        """A connection to a store as the role would make it."""
        host, _, port = self._lines[role, store].address.rpartition(":")
        return self._connect_inside(role, (host, int(port)))

    def cut(self, role: str) -> None:
        """All of a role's connections to the stores end."""
        for store in STORES:
            self._lines[role, store].cut()

    def silence(self, where: str, way: Way) -> Callable[[], None]:
        """Between one role and both stores, or one store and everybody. Returns how it heals."""
        lines = [(role, store) for role, store in self._lines if where in (role, store)]
        ways = (Way.TO, Way.FROM) if way is Way.BOTH else (way,)
        silenced = [(role, store, each) for role, store in lines for each in ways]
        for each in silenced:
            self._silences[each] += 1
            if self._silences[each] == 1:
                self._set(*each, drops=True)
        return partial(self._heal, silenced)

    def _heal(self, silenced: list[tuple[str, str, Way]]) -> None:
        for each in silenced:
            self._silences[each] -= 1
            if self._silences[each] == 0:
                self._set(*each, drops=False)

    def _set(self, role: str, store: str, way: Way, *, drops: bool) -> None:
        if machine := self._machines.get(role):
            (machine.drop if drops else machine.pass_on)(STORES.index(store), way)
        else:
            line = self._lines[role, store]
            (line.drop if drops else line.pass_on)(way)

    def _line(self, role: str, store: str) -> Proxy:
        host = self._machines[role].address(STORES.index(store)) if role in self._machines else LOOPBACK
        return Proxy(lambda: _connect(self._store_address(store)), socket.create_server((host, 0)))

    def _connect_inside(self, role: str, address: Address) -> socket.socket:
        with self._machines[role].inside() if role in self._machines else nullcontext():
            return _connect(address)


def _connect(address: Address) -> socket.socket:
    return socket.create_connection(address)


def _led_to(url: str, address: str) -> str:
    parts = urlsplit(url)
    credentials, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{credentials}{at}{address}").geturl()
