"""A fleet of simulated workers that ends with its test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings.settings import Settings
from shared.store.core.connect import Client
from tests.faults.fleet import LEASE_TTL_S, Fleet


@pytest.fixture
def fleet(valkey_url: str, client: Client, s3_settings: Settings, tmp_path: Path) -> Iterator[Fleet]:
    settings = s3_settings.model_copy(update={"redis_url": valkey_url, "lease_ttl_s": LEASE_TTL_S})
    made = Fleet(settings, client, tmp_path)
    yield made
    made.stop()
