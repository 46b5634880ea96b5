"""Whatever happens to a batch in whatever order, its counters say what its lines say."""

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.batches.batch import BatchId, BatchStatus, LineState, line_job_id
from shared.ids import DEFAULT_TENANT
from tests.workers.batches.shop import Json, Shop, a_line, jsonl

LINES = jsonl([a_line(number, **({"n": 2} if number % 3 else {})) for number in range(12)])
BAD_ENDS = (LineState.FAILED, LineState.INVALID, LineState.CANCELLED, LineState.EXPIRED)

moves = st.lists(
    st.sampled_from(["work", "render", "fail", "pause", "resume", "cancel", "retry", "expire", "stir", "revive"]),
    min_size=5,
    max_size=25,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves)
def test_counters_and_lines_agree_after_any_moves(shop: Shop, moves: list[str]) -> None:
    shop.client.flushdb()
    batch = shop.create(LINES)
    for move in moves:
        make(shop, batch, move)
        agree(shop, batch)
    shop.http.post(f"/v1/batches/{batch['id']}/resume")
    shop.fails = lambda claim: False
    found = shop.run(batch)
    agree(shop, batch)
    last = {line["line"]: line["job_id"] for line in shop.results(batch)}
    files = shop.lines_of(found["output_file_id"]) + shop.lines_of(found["error_file_id"])
    assert {line["line"]: line["job_id"] for line in files} == last
    assert len(files) == found["request_counts"]["total"]


def make(shop: Shop, batch: Json, move: str) -> None:
    match move:
        case "work":
            shop.work()
        case "stir":
            shop.stir()
        case "render" | "fail":
            shop.fails = lambda claim: move == "fail"
            shop.render(3)
        case "revive":
            for line in range(12):
                shop.http.post(f"/v1/jobs/{line_job_id(BatchId(batch['id']), 0, line)}/retry")
        case "expire":
            shop.client.hset(f"gridpress:batch:{batch['id']}", "expires_ms", 1)
        case _:
            shop.http.post(f"/v1/batches/{batch['id']}/{move}")


def agree(shop: Shop, batch: Json) -> None:
    batch_id = BatchId(batch["id"])
    found = shop.house.batches.batch(batch_id, DEFAULT_TENANT)
    lines = Counter(shop.house.batches.states(batch_id, 0, 1000))
    counts = found.counts
    assert counts.open == lines[LineState.OPEN]
    assert counts.completed == lines[LineState.SUCCEEDED]
    assert counts.failed == sum(lines[state] for state in BAD_ENDS)
    assert counts.total == sum(lines.values()) - lines[LineState.LEFT_OUT]
    renders = int(shop.client.hget(f"gridpress:batch:{batch_id}", "renders") or 0)
    assert renders == 0 if not counts.open else renders >= counts.open
    if found.status in (BatchStatus.COMPLETED, BatchStatus.EXPIRED, BatchStatus.CANCELLED) and lines:
        assert lines[LineState.WAITING] == lines[LineState.OPEN] == 0
