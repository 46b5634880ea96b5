"""Loads and runs the Lua scripts, which stand beside the clients that call them.

A line `-- needs: keys, events` names the parts that a file uses. Two parts are generated: `states`
from `shared.jobs.states`, and `classes` from `shared.jobs.spec`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from shared.errors import StoreUnavailable
from shared.jobs.spec import Priority
from shared.jobs.states import ARROWS, RenderState
from shared.store.core.connect import Client, ClockInDoubt, translated
from shared.store.core.steady_clock import SteadyClock

FILES = {file.stem: file for file in Path(__file__).parents[1].glob("*/*.lua")}
_NEEDS = re.compile(r"^-- needs: (.*)$", re.MULTILINE)
_LOOK = "look_at_clock"


@dataclass(frozen=True, slots=True)
class Replicas:
    """The number of replicas that must hold a write, and how long to wait for them."""

    count: int = 0
    timeout_s: float = 1.0


PRIMARY_ALONE = Replicas()


class Scripts:
    """Runs scripts by name: `scripts.run("claim", ...)` runs `claim.lua`, wherever it is."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_name: dict[str, Any] = {}
        self.clock = SteadyClock(partial(self._run_once, _LOOK))

    def run(self, name: str, *args: str | int) -> Any:
        """Runs a script with `args` as ARGV and returns its result. Raises `StoreUnavailable` when the store does not
        answer.
        """
        return self._sure_of_the_time(lambda: self._run_once(name, *args))

    def _run_once(self, name: str, *args: str | int) -> Any:
        with translated():
            return self._script(name)(args=args)

    def _sure_of_the_time(self, call: Callable[[], Any]) -> Any:
        """Calls, and after `ClockInDoubt` checks the clock and calls once more; such a script has done nothing
        (steady.lua).
        """
        try:
            return call()
        except ClockInDoubt:
            self.clock.settle()
        return call()

    def run_replicated(self, replicas: Replicas, name: str, *args: str | int) -> Any:
        """Like `run`, then waits on the same connection until the required replicas hold all writes of the script.

        Raises `StoreUnavailable` when they don't in time. The write may stand nonetheless: the script may be repeated.
        """
        if not replicas.count:
            return self.run(name, *args)
        return self._sure_of_the_time(lambda: self._run_replicated(replicas, name, *args))

    def _run_replicated(self, replicas: Replicas, name: str, *args: str | int) -> Any:
        with translated(), self._client.pipeline(transaction=False) as pipeline:
            self._script(name)(args=args, client=pipeline)
            pipeline.wait(replicas.count, int(replicas.timeout_s * 1000))
            answer, num_holding = pipeline.execute()
        if num_holding < replicas.count:
            raise StoreUnavailable(f"{num_holding} of {replicas.count} replicas hold what was written")
        return answer

    def queue(self, pipeline: Any, name: str, *args: str | int) -> None:
        """Adds a script to a pipeline as one command."""
        self.clock.freshen()
        self._script(name)(args=args, client=pipeline)

    def _script(self, name: str) -> Any:
        """Returns the loaded script. It is hashed only once, because a script has 30 KB and calls are many."""
        if name not in self._by_name:
            self._by_name[name] = self._client.register_script(source(name))
        return self._by_name[name]


@cache
def source(name: str) -> str:
    """Returns a script after all parts that it needs, directly or not."""
    texts: dict[str, str] = {}
    _add(texts, name)
    return "\n".join(texts.values())


def _add(texts: dict[str, str], name: str) -> None:
    if name in texts:
        return
    text = _GENERATED[name]() if name in _GENERATED else FILES[name].read_text(encoding="utf-8")
    for needs in _NEEDS.findall(text):
        for needed in needs.split(", "):
            _add(texts, needed)
    texts[name] = text


def _state_tables() -> str:
    arrows = ", ".join(
        f"{state} = {{ {', '.join(f'{target} = true' for target in targets)} }}" for state, targets in ARROWS.items()
    )
    finals = ", ".join(f"{state} = true" for state in RenderState if state.is_final)
    return f"local ARROWS = {{ {arrows} }}\nlocal FINAL = {{ {finals} }}"


def _class_table() -> str:
    ranks = ", ".join(f"{priority} = {priority.rank}" for priority in Priority)
    return f"local CLASS = {{ {ranks} }}"


_GENERATED = {"states": _state_tables, "classes": _class_table}
