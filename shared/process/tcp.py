"""TCP settings that bound how long a dead connection to a store goes unnoticed. Knows neither store."""

import socket
from collections.abc import Mapping

# A connection on which nothing is heard for 5 s is dead: by keepalive where we wait, by the limit of what is sent and
# never confirmed. Left to itself TCP repeats what is lost ever more seldom, so that after a cut of 14 s it may take as
# long again to notice that the network is back.
_WANTED = {"TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5_000}  # s, s, probes, ms

# Options of the level IPPROTO_TCP, as far as this system has them. They count only with SO_KEEPALIVE.
TCP_OPTIONS: Mapping[int, int] = {
    getattr(socket, name): value for name, value in _WANTED.items() if hasattr(socket, name)
}
