"""The rows of the table: one for each client, with its calls and what each of them led to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

_MOST_CHARS = 400  # of an error


class Failed(Exception):
    """A call of a client did not give what its user expects."""


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that the client was asked to do. `error` is None if it worked.

    `cannot` is the reason why it can't work, for a call that is known to fail; such a call is no failure of the run.
    """

    name: str
    error: str | None = None
    cannot: str | None = None

    @property
    def is_failure(self) -> bool:
        return self.error is not None and self.cannot is None


@dataclass(frozen=True, slots=True)
class Row:
    """What one client did. `setting` is what its user has to set, apart from address and API key."""

    client: str
    version: str
    calls: Sequence[Call]
    setting: str = ""

    @property
    def is_failure(self) -> bool:
        return not self.calls or any(call.is_failure for call in self.calls)


@dataclass(slots=True)
class Calls:
    """Collects the calls of a client that the harness itself runs."""

    done: list[Call] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, cannot: str | None = None) -> Iterator[None]:
        """Records whether the block ran without an exception. The next step runs in any case."""
        try:
            yield
        except Exception as error:
            self.done.append(Call(name, f"{type(error).__name__}: {error}"[:_MOST_CHARS], cannot))
        else:
            self.done.append(Call(name))


def expect(is_true: object, what: str) -> None:
    """Raises `Failed` unless the value is true."""
    if not is_true:
        raise Failed(what)
