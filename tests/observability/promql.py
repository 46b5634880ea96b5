"""Reads what a PromQL expression names: metrics, matchers and the labels that it groups by."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser

_PARTS = ("lhs", "rhs", "expr", "vector_selector", "param")
_INTERVAL = "$__rate_interval"  # Grafana's word for a range


@dataclass(frozen=True, slots=True)
class Selector:
    """One selection of series, such as `up{job="x"}`."""

    metric: str
    matchers: tuple[tuple[str, str], ...]
    text: str


def parse(expr: str, interval: str = "1m") -> Any:
    """Raises `ValueError` for what is no PromQL."""
    return promql_parser.parse(expr.replace(_INTERVAL, interval))


def nodes(node: Any) -> Iterator[Any]:
    yield node
    for part in _PARTS:
        if (inner := getattr(node, part, None)) is not None:
            yield from nodes(inner)
    for inner in getattr(node, "args", None) or ():
        yield from nodes(inner)


def selectors(expr: str) -> list[Selector]:
    found = [node for node in nodes(parse(expr)) if isinstance(node, promql_parser.VectorSelector)]
    return [
        Selector(each.name, tuple((match.name, match.value) for match in each.matchers.matchers), _text(each))
        for each in found
    ]


def grouping(expr: str) -> set[str]:
    """The labels that the expression groups, joins or matches its operands by."""
    found: set[str] = set()
    for node in nodes(parse(expr)):
        modifier = getattr(node, "modifier", None)
        for each in (modifier, getattr(modifier, "matching", None)):
            found |= set(getattr(each, "labels", None) or ())
    return found


def _text(selector: Any) -> str:
    """Without its offset."""
    text = str(selector)
    return text.split(" offset ", maxsplit=1)[0]
