"""The thread that compares the store with the note beside its log goes on, whatever it meets."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.stack.servers import ledger
from cli.stack.servers.ledger import Ledger, LedgerFile
from shared.errors import StoreUnavailable

pytestmark = pytest.mark.attack

TIMEOUT_S = 20


def raises(error: Exception) -> Callable[..., object]:
    def fail(*_: object) -> object:
        raise error

    return fail


@pytest.mark.parametrize(
    ("compares", "says"),
    [
        (raises(StoreUnavailable("away")), print),
        (raises(OSError(28, "No space left on device")), print),
        (raises(ValueError("unforeseen")), print),
        (lambda *_: "a loss", raises(BrokenPipeError())),
        (lambda *_: "a loss", raises(ValueError("unforeseen"))),
    ],
    ids=["away", "full disk", "unforeseen", "no terminal", "odd terminal"],
)
def test_the_next_second_compares_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compares: Callable[..., object], says: Callable[[str], None]
) -> None:
    compared = threading.Semaphore(0)

    def compare(*_: object) -> object:
        compared.release()
        return compares()

    monkeypatch.setattr(ledger, "compare", compare)
    monkeypatch.setattr(ledger, "_TICK_S", 0.01)
    with Ledger(LedgerFile(tmp_path), None, says):  # type: ignore[arg-type]
        for _ in range(3):
            assert compared.acquire(timeout=TIMEOUT_S)
