"""The clock of the store's own suite, for tests of when what is sent."""

from tests.shared.store.conftest import still_clock

__all__ = ["still_clock"]
