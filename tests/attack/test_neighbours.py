"""One client's attack on the server is not noticed by another client, and costs a bounded amount of memory."""

import resource
from collections.abc import Iterator
from functools import partial

import pytest

from cli.stack.servers.seaweedfs import S3Endpoint
from tests.api.processes import Served, served
from tests.api.server.test_server import settings_of
from tests.attack import rude
from tests.attack.neighbours import Comparison, beside, beside_load
from tests.attack.prober import Latencies

pytestmark = [pytest.mark.attack, pytest.mark.measured]

LASTS_S = 2.0
MOST_MORE_MIB = 200.0
OPEN_FILES = 8_192
NUM_TRIES = 3
MOST_TIMES_TOGETHER = 10.0  # 2 to 4 on a quiet machine; 31 while a garbage collection could hold a process


@pytest.fixture(scope="module", autouse=True)
def _enough_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def api(s3: S3Endpoint, empty_valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(s3, tmp_path_factory.mktemp("api"))
    with served(settings, empty_valkey_url, API_PROCESSES=2) as api:
        yield api


@pytest.fixture(scope="module")
def busy(api: Served) -> Latencies:
    beside_load(api.port, baseline_s=1.0)  # so that whatever is made once is there
    return beside_load(api.port)


@pytest.mark.parametrize("attack", rude.ALONE, ids=lambda attack: attack.__name__)
def test_neighbours_are_unharmed(api: Served, busy: Latencies, attack: rude.Attack) -> None:
    found = beside(api.port, api.process.pid, partial(attack, api.port, LASTS_S), busy=busy)
    if not found.unharmed:  # other work on the machine began after the baseline: both once more
        found = beside(api.port, api.process.pid, partial(attack, api.port, LASTS_S))
    print(f"{attack.__name__}: {found.times:.2f} times, {found}")
    assert found.unharmed, found
    assert found.peak_mib - found.rss_mib < MOST_MORE_MIB


def test_all_attacks_at_once_keep_nobody_out_and_take_bounded_memory(api: Served, busy: Latencies) -> None:
    """Three tries at most, since two cores carry the attackers, the server and the store; `make attack` prints all."""
    tries = [_all_at_once(api, busy)]
    while tries[-1].times >= MOST_TIMES_TOGETHER and len(tries) < NUM_TRIES:
        tries.append(_all_at_once(api, busy))
    assert all(found.attacked.num_failed == 0 for found in tries), tries
    assert all(found.peak_mib - found.rss_mib < MOST_MORE_MIB for found in tries), tries
    assert tries[-1].times < MOST_TIMES_TOGETHER, tries


def _all_at_once(api: Served, busy: Latencies) -> Comparison:
    return beside(api.port, api.process.pid, partial(rude.together, api.port, LASTS_S), busy=busy)
