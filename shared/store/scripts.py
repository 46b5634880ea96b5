"""Loads and runs the Lua scripts. Their tables are generated from `shared.states` and `shared.job_spec`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import Any

from shared.errors import StoreUnavailable
from shared.job_spec import Priority
from shared.states import ARROWS, RenderState
from shared.store.connect import Client, ClockInDoubt, translated
from shared.store.steady_clock import SteadyClock

_FOLDER = resources.files("shared") / "lua"
_CLOCK = (_FOLDER / "clock.lua").read_text()
_KEYS = (_FOLDER / "keys.lua").read_text()
_COMMON = tuple(
    (_FOLDER / f"{name}.lua").read_text()
    for name in ("steady", "due", "outbox", "shares", "device_time", "common", "deadlines")
)
_LOOK = "look_at_clock"
# What only one script is long enough to need.
_PARTS = {
    "abandon_enhancements": ("pulse", "enhancement"),
    "advance": ("pace", "open_places", "hints"),
    "advance_batch": ("file", "batch_order", "batch_cost", "batch"),
    "backlog": ("open_places", "hints"),
    "batch_outlook": ("pace", "batch_order"),
    "beat": ("pulse", "open_places"),
    "claim": ("load", "door", "aside", "lane_aside", "quarantine", "open_places", "hints"),
    "claim_batch": ("aside", "duties", "batch_order"),
    "claim_deliveries": ("aside", "duties"),
    "claim_enhancement": ("aside", "duties"),
    "claim_manifest": ("aside", "duties"),
    "change_batch": ("file", "batch_order", "batch_cost", "batch"),
    "create_batch": ("file", "batch_order", "batch_cost", "batch"),
    "delete": ("forget",),
    "delete_batch": ("file", "batch_order", "batch_cost", "batch"),
    "delete_endpoint": ("endpoint",),
    "delete_file": ("file",),
    "disable_endpoint": ("endpoint",),
    "enable_endpoint": ("endpoint",),
    "finalize_batch": ("file", "batch_order", "batch_cost", "batch"),
    "finish_batch": ("file", "batch_order", "batch_cost", "batch"),
    "finish_delivery": ("endpoint", "duties"),
    "finish_enhancement": ("enhancement", "duties"),
    "finish_manifest": ("duties",),
    "forget_lines": ("forget",),
    "leave": ("open_places",),
    "purge": ("forget",),
    "purge_batches": ("file", "batch_order", "batch_cost", "batch"),
    "queue": ("pace",),
    "rank_batch": ("file", "batch_order", "batch_cost", "batch"),
    "rank_lines": ("file", "batch_order", "batch_cost", "batch"),
    "ranked_lines": ("file", "batch_order", "batch_cost", "batch"),
    "refuse_batch": ("file", "batch_order", "batch_cost", "batch"),
    "renew_batch": ("file", "batch_order", "batch_cost", "batch"),
    "requeue": ("revive",),
    "recover_deliveries": ("endpoint",),
    "replay_messages": ("endpoint",),
    "reroute": ("aside", "lane_aside"),
    "rescue": ("pulse", "blame"),
    "rest_batch": ("file", "batch_order", "batch_cost", "batch"),
    "retry": ("revive",),
    "rotate_endpoint": ("endpoint",),
    "save_endpoint": ("endpoint",),
    "send_hints": ("open_places", "hints"),
    "set_aside": ("aside",),
    "set_delivery_aside": ("aside",),
    "submit": ("open_places", "hints", "batch_order"),
    "take_back": ("blame", "duties", "open_places"),
    "test_endpoint": ("endpoint",),
    "start_batch": ("file", "batch_order", "batch_cost", "batch"),
    "stalls": ("load", "door", "open_places"),
    "stats": ("pace", "open_work"),
}


@dataclass(frozen=True, slots=True)
class Replicas:
    """The number of replicas that must hold a write, and how long to wait for them."""

    count: int = 0
    timeout_s: float = 1.0


PRIMARY_ALONE = Replicas()


class Scripts:
    """Runs scripts by name: `scripts.run("claim", ...)` runs `shared/lua/claim.lua`."""

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
            self._by_name[name] = self._client.register_script(_source(name))
        return self._by_name[name]


@cache
def _source(name: str) -> str:
    own = [(_FOLDER / f"{part}.lua").read_text() for part in (*_PARTS.get(name, ()), name)]
    common = () if name == _LOOK else (_state_tables(), _class_table(), *_COMMON)
    return "\n".join((_KEYS, _CLOCK, *common, *own))


def _state_tables() -> str:
    arrows = ", ".join(
        f"{state} = {{ {', '.join(f'{target} = true' for target in targets)} }}" for state, targets in ARROWS.items()
    )
    finals = ", ".join(f"{state} = true" for state in RenderState if state.is_final)
    return f"local ARROWS = {{ {arrows} }}\nlocal FINAL = {{ {finals} }}"


def _class_table() -> str:
    ranks = ", ".join(f"{priority} = {priority.rank}" for priority in Priority)
    return f"local CLASS = {{ {ranks} }}"
