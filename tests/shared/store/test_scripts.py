"""Every Lua file names the parts that it uses, and only those."""

import re
from pathlib import Path

import pytest

from shared.store.core.scripts import FILES, source

_GENERATED = {"ARROWS": "states", "FINAL": "states", "CLASS": "classes", "SIZES": "size_names"}
_GENERATED |= dict.fromkeys(("SIDES_PX", "CONDITION_SIDES_PX"), "size_names")
_STRING_OR_COMMENT = re.compile(r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|--[^\n]*")


def _code(file: Path) -> str:
    return _STRING_OR_COMMENT.sub("''", file.read_text(encoding="utf-8"))


def _names(listed: str) -> set[str]:
    return set(re.findall(r"\w+", listed))


def _defined(code: str) -> set[str]:
    """Returns the names that a file defines for the files after it."""
    found = re.findall(r"^local (?:function (\w+)|([\w, ]+))", code, re.MULTILINE)
    return set().union(*(_names(function or listed) for function, listed in found))


def _local(code: str) -> set[str]:
    """Returns names that may mean something else within the file: variables, parameters and fields."""
    variables = re.findall(r"^[ \t]+local (?:function )?([\w, ]+)", code, re.MULTILINE)
    parameters = re.findall(r"function *\w*\(([^)]*)\)", code)
    loops = re.findall(r"\bfor ([\w, ]+?) (?:in|=)", code)
    fields = re.findall(r"[{,]\s*(\w+) =(?!=)", code)
    return set().union(*map(_names, (*variables, *parameters, *loops, *fields)))


def _used(code: str) -> set[str]:
    return set(re.findall(r"(?<![\w.:])[A-Za-z_]\w*", code)) - _local(code) - _defined(code)


def _needs(script: str) -> set[str]:
    listed = re.findall(r"^-- needs: (.*)$", FILES[script].read_text(encoding="utf-8"), re.MULTILINE)
    return _names(", ".join(listed))


_PARTS = set().union(*map(_needs, FILES))
_PROVIDERS = _GENERATED | {
    name: part for part in sorted(_PARTS & set(FILES)) for name in _defined(_code(FILES[part])) if name != "_"
}


@pytest.mark.parametrize("script", sorted(FILES))
def test_a_script_names_what_it_needs(script: str) -> None:
    used = {_PROVIDERS[name] for name in _used(_code(FILES[script])) if name in _PROVIDERS}
    assert _needs(script) == used - {script}


@pytest.mark.parametrize("script", sorted(FILES))
def test_a_part_is_loaded_once_and_before_its_use(script: str) -> None:
    text = source(script)
    for part in _PARTS & set(FILES):
        assert text.count(FILES[part].read_text(encoding="utf-8")) <= 1
    assert text.endswith(FILES[script].read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", sorted(FILES))
def test_a_script_has_all_parts_that_it_uses_and_no_others(script: str) -> None:
    own, text = _code(FILES[script]), _STRING_OR_COMMENT.sub("''", source(script))
    part_names = _defined(text.removesuffix(own)) - {"_"}
    assert _used(text) & set(_PROVIDERS) <= _defined(text)
    assert [name for name in part_names if len(re.findall(rf"\b{name}\b", text)) == 1] == []


def _seldom(script: str) -> set[str]:
    listed = re.findall(r"^-- seldom: (.*)$", FILES[script].read_text(encoding="utf-8"), re.MULTILINE)
    return _names(", ".join(listed))


@pytest.mark.parametrize("script", sorted(script for script in FILES if _seldom(script)))
def test_a_seldom_function_is_defined_when_it_is_called(script: str) -> None:
    text = source(script)
    for name in _seldom(script):
        own = f"local function {name}"
        outer = text.index(f"{own}(...)")
        inner = text.index(own, outer + 1)
        assert inner < text.index(f"return {name}(...)", outer)


@pytest.mark.parametrize("script", sorted(FILES))
def test_a_script_has_each_table_once(script: str) -> None:
    text = _STRING_OR_COMMENT.sub("''", source(script))
    tables = re.findall(r"^local (?!function)([\w, ]+)", text, re.MULTILINE)
    assert len(tables) == len(set(tables))
