"""Prints what each measured attack did to everybody else. A plugin of pytest; measures nothing itself."""

from typing import Any

from tests.attack.neighbours import MEASURED, Comparison

_HEAD = ("attack", "p99 busy", "p99 attacked", "times", "longest", "failed", "memory")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Called by pytest at the end. Worker processes of xdist keep their figures for themselves."""
    if not MEASURED:
        return
    terminalreporter.section("neighbours: milliseconds of other clients' requests, MiB of the server")
    for row in (_HEAD, *(_row(name, found) for name, found in MEASURED)):
        terminalreporter.write_line("| " + " | ".join(row) + " |")


def _row(name: str, found: Comparison) -> tuple[str, ...]:
    attacked = found.attacked
    return (
        name,
        f"{found.busy.p99_ms:.0f}",
        f"{attacked.p99_ms:.0f}",
        f"{found.times:.1f}",
        f"{attacked.longest_ms:.0f}",
        str(attacked.num_failed),
        f"{found.rss_mib:.0f} -> {found.peak_mib:.0f}",
    )
