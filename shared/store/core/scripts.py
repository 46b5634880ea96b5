"""Loads and runs the Lua scripts of the store. The scripts are in the folders of the Python clients that call them.

A line `-- needs: keys, events` in a script names Lua files. Those functions and tables of these files that the script
uses are put in front of it. The texts `states`, `classes` and `size_names` are not files: they are generated from
`shared.jobs.states`, `shared.jobs.spec` and `shared.schedule.sizes`.

A line `-- seldom: emit_message, park` names functions of these files that most runs of the script do not call. Each is
put into a function that defines it, and what only it needs, when it is called.
"""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from shared.errors import StoreUnavailable
from shared.jobs.spec import Priority
from shared.jobs.states import ARROWS, RenderState
from shared.schedule.sizes import CONDITION_SIDES_PX, SIDES_PX, SIZE_NAMES
from shared.store.core.connect import Client, ClockNotVerified, translated
from shared.store.core.steady_clock import SteadyClock

FILES = {file.stem: file for file in Path(__file__).parents[1].glob("*/*.lua")}
_NEEDS = re.compile(r"^-- needs: (.*)$", re.MULTILINE)
_SELDOM = re.compile(r"^-- seldom: (.*)$", re.MULTILINE)
_LOOK = "check_clock"

# A statement at the start of a line, with all lines up to the next one. Every part consists of such statements.
_STATEMENT = re.compile(r"^(?=local )", re.MULTILINE)
_DEFINITION = re.compile(r"^local (?:function (\w+)|([\w, ]+))", re.MULTILINE)
_STRING_OR_COMMENT = re.compile(r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|--[^\n]*")
_NAME = re.compile(r"\b[A-Za-z_]\w*")  # names of fields too, so a function that is used is never missed


@dataclass(frozen=True, slots=True)
class Replicas:
    """The number of replicas of the store that must confirm a write, and the longest wait for their confirmation."""

    count: int = 0
    timeout_s: float = 1.0


PRIMARY_ALONE = Replicas()


class Scripts:
    """Runs Lua scripts by name: `scripts.run("claim", ...)` runs `claim.lua`, in whichever folder it is."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_name: dict[str, Any] = {}
        self.clock = SteadyClock(partial(self._run_once, _LOOK))

    def run(self, name: str, *args: str | int) -> Any:
        """Runs a script with `args` as ARGV and returns its result. Raises `StoreUnavailable` when the store does not
        answer.
        """
        return self._with_verified_clock(lambda: self._run_once(name, *args))

    def _run_once(self, name: str, *args: str | int) -> Any:
        with translated():
            return self._script(name)(args=args)

    def _with_verified_clock(self, call: Callable[[], Any]) -> Any:
        """Returns the result of `call`, which runs a script. After `ClockNotVerified` it checks the store's clock and
        calls once more.

        A script that ended with `ClockNotVerified` has done nothing (clock.lua), so it may run again.
        """
        try:
            return call()
        except ClockNotVerified:
            self.clock.settle()
        return call()

    def run_replicated(self, replicas: Replicas, name: str, *args: str | int) -> Any:
        """Runs a script as `run` does, and then waits until the required replicas have all writes of the script.
        Returns the script's result.

        Raises `StoreUnavailable` when too few replicas confirm in time. The write may exist nonetheless, so the script
        must be repeatable. The wait uses the script's connection, because Redis confirms the writes of one connection
        only.
        """
        if not replicas.count:
            return self.run(name, *args)
        return self._with_verified_clock(lambda: self._run_replicated(replicas, name, *args))

    def _run_replicated(self, replicas: Replicas, name: str, *args: str | int) -> Any:
        with translated(), self._client.pipeline(transaction=False) as pipeline:
            self._script(name)(args=args, client=pipeline)
            pipeline.wait(replicas.count, int(replicas.timeout_s * 1000))
            answer, num_holding = pipeline.execute()
        if num_holding < replicas.count:
            raise StoreUnavailable(f"{num_holding} of {replicas.count} replicas have the write")
        return answer

    def queue(self, pipeline: Any, name: str, *args: str | int) -> None:
        """Adds a script to a redis-py pipeline, as one command."""
        self.clock.freshen()
        self._script(name)(args=args, client=pipeline)

    def _script(self, name: str) -> Any:
        """Returns the script with this name as a redis-py object. Each script is hashed only once, because it may have
        80 KB and calls are frequent.
        """
        if name not in self._by_name:
            self._by_name[name] = self._client.register_script(source(name))
        return self._by_name[name]


@cache
def source(name: str) -> str:
    """Returns the text that the store runs for a script: its own text, and before it what it uses of the Lua files that
    it needs, directly or indirectly.
    """
    texts: dict[str, str] = {}
    _add(texts, name)
    *parts, script = texts.values()
    return "\n".join([*_used(parts, script), script])


def _used(parts: Sequence[str], script: str) -> list[str]:
    """Returns those functions and tables of `parts` that the script uses, directly or indirectly.

    Each run of a script defines all its functions anew, which takes longer than the work of a short script. So
    functions that the script calls seldom are defined when they are called.
    """
    statements = [each.rstrip() for part in parts for each in _STATEMENT.split(part) if _defined(each)]
    seldom = {name for listed in _SELDOM.findall(script) for name in listed.split(", ")}
    names = _names(script)
    # Tables are never defined within a function: a run of a script has one of each.
    tables = [each for each in _reached(statements, names) if not each.startswith("local function")]
    return _arranged(statements, names.union(*map(_defined, tables)), seldom, set())


def _arranged(statements: Sequence[str], names: Set[str], seldom: Set[str], known: Set[str]) -> list[str]:
    """Returns the statements that define `names` and what they use, without those of `known`. A function of `seldom`
    becomes a function that defines it, and what only it needs, and calls it.
    """
    found = [each for each in _reached(statements, names, seldom) if each not in known]
    known = known | set(found)

    def deferred(function: str, name: str) -> str:
        own = _arranged(statements[: statements.index(function)], _names(function), seldom, known)
        return "\n".join([f"local function {name}(...)", *own, function, f"return {name}(...)", "end"])

    return [deferred(each, *_defined(each)) if seldom & _defined(each) else each for each in found]


def _reached(statements: Sequence[str], names: Set[str], seldom: Set[str] = frozenset()) -> list[str]:
    """Returns the statements that define `names` or what they use, in their order. What functions of `seldom` use is
    not followed.
    """
    names, found = set(names), []
    for statement in reversed(statements):
        if names & _defined(statement):
            found.append(statement)
            if not seldom & _defined(statement):
                names |= _names(statement)
    return found[::-1]


def _names(text: str) -> set[str]:
    return set(_NAME.findall(_STRING_OR_COMMENT.sub("''", text)))


def _defined(statement: str) -> set[str]:
    """Returns the local names that a statement defines."""
    found = _DEFINITION.match(statement)
    return set(re.findall(r"\w+", found[1] or found[2])) if found else set()


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


def _size_table() -> str:
    names = ", ".join(f"'{name}'" for name in SIZE_NAMES)
    sides, of_conditions = (", ".join(map(str, each)) for each in (SIDES_PX, CONDITION_SIDES_PX))
    tables = {"SIZES": names, "SIDES_PX": sides, "CONDITION_SIDES_PX": of_conditions}
    return "\n".join(f"local {name} = {{ {values} }}" for name, values in tables.items())


_GENERATED = {"states": _state_tables, "classes": _class_table, "size_names": _size_table}
