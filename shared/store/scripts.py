"""Loads and runs the Lua scripts. Their tables of states are made from `shared.states`, so arrows are drawn once."""

from functools import cache
from importlib import resources
from typing import Any

from shared.states import ARROWS, RenderState
from shared.store.connect import Client, translated

_FOLDER = resources.files("shared") / "lua"


class Scripts:
    """Runs scripts by name: `scripts.run("claim", ...)` runs `shared/lua/claim.lua`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, name: str, *args: str | int) -> Any:
        """Raises `StoreUnavailable` when the store does not answer. Arguments are the script's ARGV."""
        with translated():
            return self._client.register_script(_source(name))(args=args)


@cache
def _source(name: str) -> str:
    parts = (_state_tables(), (_FOLDER / "common.lua").read_text(), (_FOLDER / f"{name}.lua").read_text())
    return "\n".join(parts)


def _state_tables() -> str:
    arrows = ", ".join(
        f"{state} = {{ {', '.join(f'{target} = true' for target in targets)} }}" for state, targets in ARROWS.items()
    )
    finals = ", ".join(f"{state} = true" for state in RenderState if state.is_final)
    return f"local ARROWS = {{ {arrows} }}\nlocal FINAL = {{ {finals} }}"
