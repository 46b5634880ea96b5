"""Defines the result of one check of `gridpress doctor`: facts, and problems with a remedy for each. Prints nothing."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that `gridpress doctor` found, and how to fix it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Findings:
    """One part of the report of `gridpress doctor`: a title, facts by name, and problems."""

    title: str
    facts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, what: str, remedy: str) -> None:
        self.problems.append(Problem(what, remedy))


def gib(num_bytes: int) -> str:
    """Formats a number of bytes as GiB for people, such as `18.3 GiB`."""
    return f"{num_bytes / 2**30:.1f} GiB"
