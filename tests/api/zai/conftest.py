"""The API of `tests.api`, and a worker that finishes what comes."""

from tests.api.conftest import hints, house, http

__all__ = ["hints", "house", "http"]
