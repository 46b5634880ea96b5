"""`gridpress up` whose roles run where the test places them. A program of its own: `python -m tests.chaos.up`.

`CHAOS_PLACES`: JSON, role -> [prefix, addresses]; `CHAOS_SERVERS`: the file in which to note the servers' own URLs.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cli.up.command
from cli.main import main
from cli.stack.processes.child import Command
from cli.stack.processes.supervised_role import Role
from tests.chaos.network import URL_VARIABLES, Place


def _placed(role: Role, places: dict[str, Place]) -> Role:
    if role.name not in places:
        return role
    place, command = places[role.name], role.command
    environment = {**command.env, **place.environment(command.env)}
    return replace(role, command=Command((*place.prefix, *command.argv), environment))


def _place_roles(places: dict[str, Place], note: Path) -> None:
    of_product = cli.up.command.tiers

    def tiers(*arguments: Any) -> list[list[Role]]:
        found: Sequence[Sequence[Role]] = of_product(*arguments)
        environment = found[-1][0].command.env
        draft = note.with_suffix(".draft")  # nobody may read a part of the file
        draft.write_text(json.dumps({name: environment[name] for name in URL_VARIABLES.values()}))
        draft.replace(note)
        return [[_placed(role, places) for role in tier] for tier in found]

    cli.up.command.tiers = tiers


if __name__ == "__main__":
    given = json.loads(os.environ.pop("CHAOS_PLACES"))
    _place_roles({role: Place(*place) for role, place in given.items()}, Path(os.environ.pop("CHAOS_SERVERS")))
    main()
