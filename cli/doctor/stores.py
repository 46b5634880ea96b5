"""Whether the job store and the object store answer, and promise what the service needs. Writes nothing."""

from collections.abc import Callable

from cli.doctor.findings import Findings
from shared.errors import GridpressError
from shared.settings.settings import Settings


def stores(settings: Settings) -> Findings:
    """A store that the settings leave to `gridpress up` is not asked: it runs only with the service."""
    from shared.objects.store import ObjectStore  # noqa: PLC0415 - their clients take half a second to import
    from shared.store.core.connect import connect  # noqa: PLC0415

    findings = Findings("stores")
    if settings.redis_url:
        _ask(findings, "job store", lambda: connect(settings.redis_url, settings.durability).close())
    else:
        findings.facts["job store"] = "embedded: started by `gridpress up`"
    if settings.s3_endpoint_url:
        _ask(findings, "object store", lambda: ObjectStore(settings).check())
    else:
        findings.facts["object store"] = "embedded: started by `gridpress up`"
    return findings


def _ask(findings: Findings, name: str, question: Callable[[], None]) -> None:
    try:
        question()
    except GridpressError as error:
        what, _, remedy = str(error).rpartition(": ")
        findings.facts[name] = "unusable"
        findings.complain(f"{name}: {what or error}", remedy or "see the message")
    else:
        findings.facts[name] = "answers, and promises what is needed"
