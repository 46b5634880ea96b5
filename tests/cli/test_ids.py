"""Ids that a person shortened: what the command asks the API, and whom it means."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.client import Client
from cli.ids import whole_job_id
from cli.output.times import when
from shared.ids import first_job_id
from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, job, reply

OLD, NEW, NEXT = (
    "job_01k9e4m3c6x2s8q5v7w1t0z9aa",
    "job_01k9e4m3c6x2s8q5v7w1t0z9ab",
    "job_01ka000000x2s8q5v7w1t0z9ab",
)
ENDPOINTS = ["ep_01k9e4m3c6x2s8q5v7w1t0z9aa", "ep_01ka000000x2s8q5v7w1t0z9ab"]


class Jobs(StubApi):
    """Lists its jobs by the times in their ids, as the API does."""

    ids = (NEXT, NEW, OLD)

    def _answer(self, method, path, headers, body):  # type: ignore[no-untyped-def]
        query = parse_qs(urlsplit(path).query)
        if "limit" not in query:
            return super()._answer(method, path, headers, body)
        low, high = (query.get(f"created_{side}", [""])[0] for side in ("after", "before"))
        found = [
            each for each in self.ids
            if (not low or first_job_id(when(low)) <= each) and (not high or each < first_job_id(when(high)))
        ]  # fmt: skip
        return reply(200, {"data": [job(each) for each in found[: int(query["limit"][0])]]})


@pytest.fixture
def api():  # type: ignore[no-untyped-def]
    with Jobs() as stub:
        yield stub


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (NEW, NEW),
        (NEW[:-1] + "b", NEW),
        ("job_01ka", NEXT),
        ("01ka", NEXT),
        ("JOB_01KA0".lower(), NEXT),
        ("01KA0", NEXT),
        (NEXT[:20], NEXT),
        ("@last", NEXT),
        ("order-17", "order-17"),
        ("job_01zzz", "job_01zzz"),
        ("job_7zzzzzzzzz", "job_7zzzzzzzzz"),
    ],
)
def test_a_beginning_names_its_job(api: Jobs, given: str, meant: str) -> None:
    with Client(api.url) as client:
        assert whole_job_id(client, given) == meant


def test_a_whole_id_costs_no_request(api: Jobs, run: Run) -> None:
    api.routes[f"GET /v1/jobs/{NEW}"] = lambda: reply(200, job(NEW))
    assert run("job", NEW).exit_code == 0
    assert len(api.requests) == 1


def test_a_beginning_of_several_ids_is_refused_with_the_ids(run: Run) -> None:
    result = run("cancel", "job_01k9e4m3")
    assert result.exit_code == 1
    assert NEW in result.stderr
    assert OLD in result.stderr
    assert NEXT not in result.stderr


def test_last_needs_a_job(api: Jobs, run: Run) -> None:
    api.ids = ()
    result = run("job", "@last")
    assert (result.exit_code, result.stderr) == (1, "gridpress: @last: there is no job yet\n")


@pytest.mark.parametrize(("given", "meant"), [("ep_01k9", 0), ("ep_01ka", 1), ("@last", 0), (ENDPOINTS[1], 1)])
def test_other_ids_are_found_in_the_pages_of_their_list(run: Run, given: str, meant: int) -> None:
    with StubApi() as api:
        pages = [{"data": [{"id": ENDPOINTS[0]}], "has_more": True, "next": "a"}, {"data": [{"id": ENDPOINTS[1]}]}]
        for query, page in zip(("limit=100", "limit=100&after=a"), pages, strict=True):
            api.routes[f"GET /v1/webhook_endpoints?{query}"] = lambda page=page: reply(200, page)
        api.routes[f"DELETE /v1/webhook_endpoints/{ENDPOINTS[meant]}"] = lambda: (204, {}, b"")
        assert run("webhooks", "remove", given, "--url", api.url).output == f"{ENDPOINTS[meant]} removed\n"


def test_what_is_printed_are_whole_ids(run: Run) -> None:
    assert re.findall(r"^job_\w{26}\t", run("jobs").stdout, re.MULTILINE) == [f"{each}\t" for each in (NEXT, NEW, OLD)]
