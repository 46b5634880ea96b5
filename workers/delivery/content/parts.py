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
from workers.delivery.content.hook import Answer, Hook, HookRules
from workers.delivery.content.question import Questions
from workers.delivery.content.runner import CheckRunner
from workers.delivery.content.service import CheckService
from workers.delivery.content.verdict import verdict_of

LEASE_MARGIN_S = 15.0  # A lease lasts this much longer than the time limit, for reads and writes on a busy machine.
POLL_S = 0.2
SELDOM_S = 5.0  # without a hook, only checks from the time of an earlier setting can be due


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
    prompt_hook = make_hook("GRIDPRESS_PROMPT_HOOK_URL", settings.prompt_hook_url, rules, settings, verdict_of)
    picture_hook = make_hook("GRIDPRESS_PICTURE_HOOK_URL", settings.picture_hook_url, rules, settings, verdict_of)
    questions = make_questions(objects, settings)
    checks = CheckStore(client, settings.content_hook_timeout_s + LEASE_MARGIN_S, worker)
    fails_open = settings.content_hook_fails == "open"
    return CheckService(checks, questions, prompt_hook, picture_hook, fails_open, on_end)


def make_questions(objects: ObjectStore, settings: Settings) -> Questions:
    """Returns the builder of requests to hooks, which contain images as the operator has set."""
    how = settings.content_hook_images
    return Questions(objects, not streams_links(settings) if how == "auto" else how == "links")


def make_runner(service: CheckService, settings: Settings) -> CheckRunner:
    """Creates the threads that carry out content checks, without starting them."""
    has_hook = service.prompt_hook or service.picture_hook
    return CheckRunner("checks", service, settings.content_hook_slots, POLL_S if has_hook else SELDOM_S)


def make_hook(
    name: str, url: str | None, rules: EgressRules, settings: Settings, parse: Callable[[bytes], Answer]
) -> Hook[Answer] | None:
    """Returns the hook at a URL, or None without a URL. `name` is the setting with the URL.

    Raises `Misconfigured` if no secret is set, or if the egress rules forbid the URL.
    """
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
    return Hook(url, secret, SigningKey.of(settings), EgressClient(rules), limits, parse)
