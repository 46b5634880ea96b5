"""Finds environment variables that begin with `GRIDPRESS_` but are not settings, such as `GRIDPRESS_REDIS_ULR`."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from shared.settings.secret_files import SECRETS, file_variable
from shared.settings.settings import Settings

_PREFIX = "GRIDPRESS_"
_SAID = f"{_PREFIX}UNKNOWN_SAID"  # set after the report, so that child processes do not repeat it
_OF_CLIENTS = frozenset({f"{_PREFIX}URL", f"{_PREFIX}API_KEY", f"{_PREFIX}API_KEY_FILE"})
# Kubernetes sets these in each pod for a Service whose name begins with ours, unless enableServiceLinks is false.
_OF_KUBERNETES = re.compile(r".*(_SERVICE_(HOST|PORT)(_\w+)?|_PORT_\d+_(TCP|UDP)(_(ADDR|PORT|PROTO))?)")
_LINKS = ("tcp://", "udp://")


@dataclass(frozen=True, slots=True)
class Unknown:
    """An environment variable that begins with `GRIDPRESS_` and that no process reads. `nearest` is the setting with
    the most similar name, or None.
    """

    variable: str
    nearest: str | None

    def __str__(self) -> str:
        hint = f": did you mean {self.nearest}?" if self.nearest else "; docs/settings.md has them all"
        return f"{self.variable} is no setting{hint}"


def unreported_variables() -> list[Unknown]:
    """Returns the unknown environment variables that this process should report. Returns an empty list if a parent
    process has reported them.
    """
    found = [] if os.environ.get(_SAID) else unknown(os.environ)
    if found:
        os.environ[_SAID] = "1"
    return found


def unknown(environ: Mapping[str, str]) -> list[Unknown]:
    """Returns the unknown variables of an environment, sorted by name. Names are compared without regard to upper and
    lower case, like the names of settings.
    """
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
    """Returns the names of all environment variables that a process of Gridpress reads."""
    settings = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    return frozenset(settings | {file_variable(name) for name in SECRETS} | _OF_CLIENTS | {_SAID})


def _is_known(variable: str, value: str, known: frozenset[str]) -> bool:
    return variable in known or value.startswith(_LINKS) or _OF_KUBERNETES.fullmatch(variable) is not None
