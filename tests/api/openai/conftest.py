"""The API of `tests.api`, in this process."""

from tests.api.conftest import hints, house, http

__all__ = ["hints", "house", "http"]
