"""Reports whether jobs can ask for prompt enhancement, which has a language model rewrite the prompt.

Sends no request to the language model, because a request may cost money.
"""

from urllib.parse import urlsplit

from cli.doctor.findings import Findings
from shared.addresses import is_loopback_host
from shared.settings.settings import Settings


def enhancement(settings: Settings) -> Findings:
    """Returns facts about the language model endpoint that the settings name for prompt enhancement.

    Reports a problem if the API key of the endpoint would be sent unencrypted.
    """
    findings = Findings("prompt enhancement")
    if not settings.enhance_base_url:
        findings.facts["endpoint"] = "none: GRIDPRESS_ENHANCE_BASE_URL is not set, so jobs can't ask for it"
        return findings
    url = urlsplit(settings.enhance_base_url)
    findings.facts.update(
        endpoint=f"{url.scheme}://{url.hostname}{url.path}",
        model=settings.enhance_model,
        key="given" if settings.enhance_api_key else "none",
        calls=f"{settings.enhance_slots} in flight, {settings.enhance_timeout_s:g} s each",
    )
    if settings.enhance_api_key and url.scheme == "http" and not is_loopback_host(url.hostname or ""):
        findings.complain("GRIDPRESS_ENHANCE_API_KEY would be sent over the network unencrypted", "use an https:// URL")
    return findings
