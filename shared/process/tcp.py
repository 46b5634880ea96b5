"""Defines TCP options that limit how long a dead connection to the store or the object store stays unnoticed."""

import socket
from collections.abc import Mapping

# A connection without any packet from the other side for 5 s is dead. Keepalive detects this while we wait for data.
# TCP_USER_TIMEOUT detects it while sent data is not acknowledged. Without these options, TCP retransmits lost packets
# at growing intervals. After a network cut of 14 s it could take another 14 s to notice that the network is back.
_WANTED = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5_000}  # s, s, probes, ms

# Options of the level IPPROTO_TCP that this system supports. They need SO_KEEPALIVE.
TCP_OPTIONS: Mapping[int, int] = {
    getattr(socket, name): value for name, value in _WANTED.items() if hasattr(socket, name)
}

# Options of redis-py for TCP, which it refuses for a Unix socket.
TCP_ONLY_OPTIONS = frozenset({"socket_keepalive", "socket_keepalive_options"})
