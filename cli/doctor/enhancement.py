"""Whether jobs can ask for prompt enhancement. Asks the endpoint nothing: a call may cost money."""

from urllib.parse import urlsplit

from cli.doctor.findings import Findings
from shared.egress.addresses import is_loopback_host
from shared.settings.settings import Settings


def enhancement(settings: Settings) -> Findings:
    """The endpoint that the settings name."""
    findings = Findings("prompt enhancement")
    if not settings.enhance_base_url:
        findings.facts["endpoint"] = "none: GRIDPRESS_ENHANCE_BASE_URL is not set, jobs can't ask for it"
        return findings
    url = urlsplit(settings.enhance_base_url)
    findings.facts.update(
        endpoint=f"{url.scheme}://{url.hostname}{url.path}",
        model=settings.enhance_model,
        key="given" if settings.enhance_api_key else "none",
        calls=f"{settings.enhance_slots} in flight, {settings.enhance_timeout_s:g} s each",
    )
    if settings.enhance_api_key and url.scheme == "http" and not is_loopback_host(url.hostname or ""):
        findings.complain("GRIDPRESS_ENHANCE_API_KEY would go over the network in clear", "use an https:// URL")
    return findings
