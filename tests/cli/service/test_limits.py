"""`gridpress limits`: what is allowed, what is left, and when it refills."""

import json

from tests.cli.conftest import Run
from tests.cli.stub_api import StubApi, reply

NONE = {"limit": None, "remaining": None, "reset_s": None, "full_s": None}
FOUND = {
    "tenant": "acme",
    "requests": {"limit": 600, "window_s": 60, "remaining": 598, "reset_s": 0.1, "full_s": 90.0},
    "pixels": {"limit": 1000, "window_s": 86_400, "remaining": 0, "reset_s": 360.0, "full_s": 86_400.0},
    "queued_renders": {"limit": 100, "used": 3, "remaining": 97},
    "concurrent_renders": {"limit": None, "used": 4, "remaining": None},
    "connections": {"limit": 1000, "used": 3, "remaining": 997},
    "streams": {"limit": 500, "used": 0, "remaining": 500},
    "stored_bytes": {"limit": 1000, "used": 1001, "remaining": 0},
    "pictures_per_month": {"limit": 50, "used": 48, "remaining": 2, "refills_at": "2026-02-01T00:00:00.000Z"},
    "device_seconds_per_month": {"limit": None, "used": 9, "remaining": None, "refills_at": "2026-02-01T00:00:00.000Z"},
    "weight": 2,
}


def test_limits_are_a_table(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/limits"] = lambda: reply(200, FOUND)
    assert run("limits").stdout.splitlines() == [
        "requests a minute\t600\t598\t0.1 s\t90.0 s",
        "pixels a day\t1000\t0\t6 min\t24 h",
        "queued renders\t100\t97\t\t",
        "concurrent renders\tno limit\t\t\t",
        "connections\t1000\t997\t\t",
        "streams\t500\t500\t\t",
        "stored bytes\t1000\t0\t\t",
        "pictures a month\t50\t2\t\t2026-02-01",
        "device seconds a month\tno limit\t\t\t2026-02-01",
        "weight\t2\t\t\t",
    ]


def test_the_response_is_printed_as_json(api: StubApi, run: Run) -> None:
    api.routes["GET /v1/limits"] = lambda: reply(200, FOUND | {"pixels": NONE})
    assert json.loads(run("limits", "--json").stdout) == FOUND | {"pixels": NONE}
