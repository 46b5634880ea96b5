"""Runs a role whose consumer asks for no hints until FILE exists: `... deaf_worker ROLE FILE [blind]`.

With `blind`, it does not look for work without hints, either.
"""

import runpy
import sys
from pathlib import Path

from shared.hints.broker import QoS
from workers.consumer import reconnecting
from workers.consumer.health import HintHealth
from workers.consumer.polling import Poller
from workers.consumer.reconnecting import SteadyConsumer

reconnecting._LONGEST_SILENCE_S = 1.0

_may_mind = Path(sys.argv[2])
_note_restart, _can_consume, _check_asking = HintHealth.note_restart, QoS.can_consume, SteadyConsumer.check_asking


def _heal(hint_health: HintHealth) -> None:
    QoS.can_consume = _can_consume  # type: ignore[method-assign]
    reconnecting._LONGEST_SILENCE_S = 10.0
    _note_restart(hint_health)


def _check(consumer: SteadyConsumer) -> None:
    if _may_mind.exists():
        _check_asking(consumer)


QoS.can_consume = lambda _: False  # type: ignore[method-assign]
HintHealth.note_restart = _heal  # type: ignore[method-assign]
SteadyConsumer.check_asking = _check  # type: ignore[method-assign]
if "blind" in sys.argv:
    Poller.start = lambda _: None  # type: ignore[method-assign]
runpy.run_module(f"workers.{sys.argv[1]}", run_name="__main__")
