"""What every chaos run of the suite has to show."""

from tests.chaos.report import Report
from tests.chaos.run import Plan

SEED = 1


def check(report: Report, plan: Plan) -> None:
    """The audit found nothing wrong, every fault came, and pictures and webhooks were there to look at."""
    assert report.is_good, "\n".join(report.lines())
    assert sum(report.faults.values()) == len(plan.while_loading) + len(plan.faults)
    assert report.findings.num_pictures
    assert report.num_webhooks >= report.num_jobs > 0
