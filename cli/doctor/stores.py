"""Checks whether the job store and the object store respond and are configured as the service needs."""

from collections.abc import Callable
from contextlib import suppress

from cli.doctor.findings import Findings
from shared.errors import GridpressError
from shared.settings.settings import Settings


def stores(settings: Settings) -> Findings:
    """Returns facts about the job store and the object store of the settings. Reports an unusable store as a problem.

    Writes nothing. An embedded store is not checked, because it runs only while `gridpress up` runs.
    """
    findings = Findings("stores")
    try:
        from shared.objects.store import ObjectStore  # noqa: PLC0415 - their clients take half a second to import
        from shared.store.core.connect import connect  # noqa: PLC0415
        from shared.store.pauses.pauses import PauseStore  # noqa: PLC0415
    except ModuleNotFoundError as error:
        findings.facts["clients"] = f"{error.name} is missing: only commands that ask a service over HTTP work here"
        return findings
    if settings.redis_url:
        _check(findings, "job store", lambda: connect(settings.redis_url, settings.durability).close())
        with suppress(GridpressError), connect(settings.redis_url, settings.durability) as client:
            if pauses := PauseStore(client).pauses():
                findings.facts["paused"] = ", ".join(each.what for each in pauses)
    else:
        findings.facts["job store"] = "embedded: started by `gridpress up`"
    if settings.s3_endpoint_url:
        _check(findings, "object store", lambda: ObjectStore(settings).check())
    else:
        findings.facts["object store"] = "embedded: started by `gridpress up`"
    return findings


def _check(findings: Findings, name: str, check: Callable[[], None]) -> None:
    try:
        check()
    except GridpressError as error:
        what, _, remedy = str(error).rpartition(": ")
        findings.facts[name] = "unusable"
        findings.complain(f"{name}: {what or error}", remedy or "see the message")
    else:
        findings.facts[name] = "responds, with the guarantees that are needed"
