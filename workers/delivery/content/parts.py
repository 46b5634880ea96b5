"""Creates the parts that carry out content checks, from the settings."""

from collections.abc import Callable

from shared.egress.client import EgressClient
from shared.egress.errors import EgressRefused
from shared.egress.rules import EgressRules
from shared.errors import Misconfigured
from shared.ids import WorkerId
from shared.objects.links import streams_links
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.checks.checks import CheckClaim, CheckStore
from shared.store.core.connect import Client
from shared.webhooks.secrets import WHAT_IT_IS, is_webhook_secret
from shared.webhooks.signing_key import SigningKey
from workers.delivery.content.hook import Hook, HookRules
from workers.delivery.content.question import Questions
from workers.delivery.content.runner import CheckRunner
from workers.delivery.content.service import CheckService

_LEASE_MARGIN_S = 15.0  # A lease lasts this much longer than the time limit, for reads and writes on a busy machine.
_POLL_S = 0.2
_SELDOM_S = 5.0  # without a hook, only checks from the time of an earlier setting can be due


def make_service(
    client: Client,
    objects: ObjectStore,
    rules: EgressRules,
    settings: Settings,
    *,
    worker: WorkerId | None = None,
    on_end: Callable[[CheckClaim], None] = lambda _: None,
) -> CheckService:
    """Creates the service that carries out content checks.

    Raises `Misconfigured` for a hook without a secret, and for a URL that the egress rules forbid.
    """
    prompt_hook = _hook("GRIDPRESS_PROMPT_HOOK_URL", settings.prompt_hook_url, rules, settings)
    picture_hook = _hook("GRIDPRESS_PICTURE_HOOK_URL", settings.picture_hook_url, rules, settings)
    how = settings.content_hook_images
    questions = Questions(objects, not streams_links(settings) if how == "auto" else how == "links")
    checks = CheckStore(client, settings.content_hook_timeout_s + _LEASE_MARGIN_S, worker)
    fails_open = settings.content_hook_fails == "open"
    return CheckService(checks, questions, prompt_hook, picture_hook, fails_open, on_end)


def make_runner(service: CheckService, settings: Settings) -> CheckRunner:
    """Creates the threads that carry out content checks, without starting them."""
    has_hook = service.prompt_hook or service.picture_hook
    return CheckRunner(service, settings.content_hook_slots, _POLL_S if has_hook else _SELDOM_S)


def _hook(name: str, url: str | None, rules: EgressRules, settings: Settings) -> Hook | None:
    if url is None:
        return None
    try:
        rules.target(url)
    except EgressRefused as error:
        raise Misconfigured(f"{name} can't be used: {error} (GRIDPRESS_EGRESS_ALLOW permits it)") from error
    secret = settings.content_hook_secret.get_secret_value() if settings.content_hook_secret else ""
    if not is_webhook_secret(secret):
        raise Misconfigured(f"{name} needs GRIDPRESS_CONTENT_HOOK_SECRET, which {WHAT_IT_IS}")
    limits = HookRules(settings.content_hook_timeout_s, settings.content_hook_attempts)
    return Hook(url, secret, SigningKey.of(settings), EgressClient(rules), limits)
