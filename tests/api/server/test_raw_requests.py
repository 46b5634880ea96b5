"""Mutated requests over raw sockets: none is answered by a 500, and the API is as well afterwards as before."""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts
from tests.api.processes import Served, served
from tests.api.server.test_server import settings_of
from tests.fuzz.mutations import mutated
from tests.fuzz.traffic import answered, requests_of, things

pytestmark = pytest.mark.attack

# `make fuzz` sends more, of other seeds.
NUM_REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "1000"))
SEED = int(os.environ.get("FUZZ_SEED", "14"))


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(s3, tmp_path_factory.mktemp("api")), empty_valkey_url, RECEIVE_TIMEOUT_S=2) as api:
        yield api


def test_no_mutated_request_is_answered_by_a_500(api: Served, client: Client) -> None:
    key = KeyStore(client).create(DEFAULT_TENANT, [Scope.ADMIN])[1]
    with api.client() as http:
        http.headers["Authorization"] = f"Bearer {key}"
        valid = requests_of(http.get("/openapi.json").json(), things(http), key, f"127.0.0.1:{api.port}")
        seen: Counter[int] = Counter()
        failed = []
        for data in mutated(valid, NUM_REQUESTS, SEED):
            statuses = answered(api.port, data)
            seen.update(statuses or [0])
            failed += [data for status in statuses if status == 500]
        crashes = [line for line in api.logged if "request.crashed" in line]
        assert not failed, (crashes, failed)
        assert not crashes
        assert seen[200] > NUM_REQUESTS // 50, "most requests never came to a route"
        assert FaultCounts(client).read() == {}
        assert http.get("/v1/jobs").status_code == 200
