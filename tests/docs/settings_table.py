"""Writes `docs/settings.md` from the settings in the code: `make docs`."""

import json
import types
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from shared.settings.secret_files import SECRETS
from shared.settings.settings import Settings
from tests.docs.settings_readers import ROLES, ROOT, readers

FILE = ROOT / "docs" / "settings.md"
_HEAD = """\
# Settings

Generated from the settings in `shared/settings/` by `make docs`. Every setting is an environment variable, read once
when a process starts. Names ending in `_S` are seconds, in `_BYTES` bytes. A process that starts logs every variable
that begins with `GRIDPRESS_` and is not in this table, with the most similar name.

A secret (*) may be in a file instead: `GRIDPRESS_REDIS_URL_FILE=/run/secrets/redis_url`. A last newline is not part of
it. A value and a file together are refused.

The processes: API (`python -m api`), AR, DiT, delivery, enhance, batches and upkeep (`python -m workers.ar` and so on),
and up (`gridpress up`), which starts the others and hands its settings on. Other `gridpress` commands read
`GRIDPRESS_URL` (address of the API) and `GRIDPRESS_API_KEY` (or `GRIDPRESS_API_KEY_FILE`), too.

| variable | type | default | meaning | read by |
|---|---|---|---|---|
"""
_TYPES = {"str": "text", "int": "integer", "float": "number", "bool": "true or false", "Path": "path", "dict": "JSON"}
_BOUNDS = ((Ge, "ge", "at least"), (Gt, "gt", "over"), (Le, "le", "at most"), (Lt, "lt", "under"))


def table() -> str:
    """Returns the whole page docs/settings.md."""
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    read_by = readers()
    # Inherited settings (labels, content hooks) come last.
    for name, field in sorted(Settings.model_fields.items(), key=lambda each: each[0] not in Settings.__annotations__):
        variable = f"`GRIDPRESS_{name.upper()}`{' *' if name in SECRETS else ''}"
        yield variable, _type(field), _default(field.default), _plain(field.description or ""), _roles(read_by[name])


def _roles(names: Sequence[str]) -> str:
    if len(names) == len(ROLES):
        return "all"
    return "all but up" if [*names, "up"] == list(ROLES) else ", ".join(names)


def _type(field: FieldInfo) -> str:
    limits = [
        f"{words} {getattr(bound, attribute):,}"
        for bound in field.metadata
        for kind, attribute, words in _BOUNDS
        if isinstance(bound, kind)
    ]
    return ", ".join([_type_name(field.annotation), *limits])


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) in (Union, types.UnionType):
        [annotation] = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if annotation is SecretStr:
        return "text"
    return _TYPES[(get_origin(annotation) or annotation).__name__]


def _default(value: Any) -> str:
    match value:
        case None | "":
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case dict():
            return f"`{json.dumps(value)}`"
    return f"`{value}`"


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(table())
