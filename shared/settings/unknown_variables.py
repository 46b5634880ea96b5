"""Finds variables of the environment that look like settings and are none, such as `GRIDPRESS_REDIS_ULR`."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from shared.settings.secret_files import SECRETS, file_variable
from shared.settings.settings import Settings

_PREFIX = "GRIDPRESS_"
_SAID = f"{_PREFIX}UNKNOWN_SAID"  # set for child processes, which inherit what was said already
_OF_CLIENTS = frozenset({f"{_PREFIX}URL", f"{_PREFIX}API_KEY", f"{_PREFIX}API_KEY_FILE"})
# Kubernetes sets these in each pod for a Service whose name begins with ours, unless enableServiceLinks is false.
_OF_KUBERNETES = re.compile(r".*(_SERVICE_(HOST|PORT)(_\w+)?|_PORT_\d+_(TCP|UDP)(_(ADDR|PORT|PROTO))?)")
_LINKS = ("tcp://", "udp://")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A variable that nothing reads, and the setting whose name is most like it."""

    variable: str
    nearest: str | None

    def __str__(self) -> str:
        hint = f": did you mean {self.nearest}?" if self.nearest else "; docs/settings.md has them all"
        return f"{self.variable} is no setting{hint}"


def say_unknown() -> list[Unknown]:
    """Returns what has to be said of this process's environment: nothing if a parent process has said it."""
    found = [] if os.environ.get(_SAID) else unknown(os.environ)
    if found:
        os.environ[_SAID] = "1"
    return found


def unknown(environ: Mapping[str, str]) -> list[Unknown]:
    """Returns the unknown variables, in order. Names count in either case, as those of settings do."""
    known = known_variables()
    return [
        Unknown(variable, _nearest(variable.upper(), known))
        for variable, value in sorted(environ.items())
        if variable.upper().startswith(_PREFIX) and not _is_known(variable.upper(), value, known)
    ]


def _nearest(variable: str, known: frozenset[str]) -> str | None:
    names = [name.removeprefix(_PREFIX) for name in sorted(known - {_SAID})]
    found = get_close_matches(variable.removeprefix(_PREFIX), names, n=1)
    return _PREFIX + found[0] if found else None


def known_variables() -> frozenset[str]:
    """Returns all variables that a process of ours reads."""
    settings = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    return frozenset(settings | {file_variable(name) for name in SECRETS} | _OF_CLIENTS | {_SAID})


def _is_known(variable: str, value: str, known: frozenset[str]) -> bool:
    return variable in known or value.startswith(_LINKS) or _OF_KUBERNETES.fullmatch(variable) is not None
