"""What a check found: facts, and problems with what to do about each. Prints nothing."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that will not work, and the remedy."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Findings:
    """One part of the report."""

    title: str
    facts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, what: str, remedy: str) -> None:
        self.problems.append(Problem(what, remedy))


def gib(num_bytes: int) -> str:
    """For people: `18.3 GiB`."""
    return f"{num_bytes / 2**30:.1f} GiB"
