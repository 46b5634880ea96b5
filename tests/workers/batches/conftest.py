"""The API of `tests.api` with a batch worker and stages, all in this process."""

from dataclasses import replace

import pytest

from api.services import Services
from shared.store.core.connect import Client
from tests.api.conftest import hints, house, http, store
from tests.workers.batches.shop import Shop, a_shop

__all__ = ["hints", "house", "http", "store"]


@pytest.fixture
def shop(house: Services, client: Client) -> Shop:
    """Its batches have few renders open; links are streamed, since nothing but the API is reached."""
    settings = house.settings.model_copy(update={"batch_spare": 8, "s3_links": "streamed"})
    return a_shop(replace(house, settings=settings), client)
