"""Creates the parts that carry out text checks, from the settings."""

import os
from collections.abc import Callable
from importlib.util import find_spec

from shared.egress.rules import EgressRules
from shared.errors import Misconfigured
from shared.ids import WorkerId
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.checks.checks import TextCheckStore
from shared.store.core.connect import Client
from workers.delivery.content.parts import LEASE_MARGIN_S, POLL_S, SELDOM_S, make_hook, make_questions
from workers.delivery.content.runner import CheckRunner
from workers.delivery.texts.readers import HookReader, TextReader, text_of
from workers.delivery.texts.service import TextCheckService

_HOW_TO = (
    "GRIDPRESS_TEXT_READER=tesseract needs pip install 'gridpress[eval]', and the package tesseract-ocr of your system"
)


def make_text_service(
    client: Client,
    objects: ObjectStore,
    rules: EgressRules,
    settings: Settings,
    *,
    worker: WorkerId | None = None,
    on_end: Callable[[bool], None] = lambda _: None,
) -> TextCheckService:
    """Creates the service that carries out text checks.

    Raises `Misconfigured` if Tesseract or one of its languages is missing, and for a hook that can't be called.
    """
    reader = _reader(objects, rules, settings)
    limit_s = settings.text_timeout_s if settings.text_reader == "tesseract" else settings.content_hook_timeout_s
    checks = TextCheckStore(client, limit_s + LEASE_MARGIN_S, worker)
    return TextCheckService(checks, objects, reader, settings.picture_hook_url is not None, on_end)


def make_text_runner(service: TextCheckService, settings: Settings) -> CheckRunner:
    """Creates the threads that carry out text checks, without starting them."""
    return CheckRunner("texts", service, settings.text_slots, POLL_S if service.reader else SELDOM_S)


def _reader(objects: ObjectStore, rules: EgressRules, settings: Settings) -> TextReader | None:
    if settings.text_reader == "none":
        return None
    if settings.text_reader == "hook":
        return _hook_reader(objects, rules, settings)
    if find_spec("pytesseract") is None or find_spec("PIL") is None:
        raise Misconfigured(_HOW_TO)
    return _tesseract(objects, settings)


def _tesseract(objects: ObjectStore, settings: Settings) -> TextReader:
    # These modules need the packages of the extra `eval`.
    from shared.spelling.ocr import installed_languages  # noqa: PLC0415
    from workers.delivery.texts.tesseract import TesseractReader  # noqa: PLC0415

    there = installed_languages()
    if there is None:
        raise Misconfigured(_HOW_TO)
    if missing := set(settings.text_languages.split("+")) - there:
        has = ", ".join(sorted(there))
        raise Misconfigured(f"GRIDPRESS_TEXT_LANGUAGES: Tesseract lacks {', '.join(sorted(missing))}; it has {has}")
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # for Tesseract: several pictures are read at the same time
    return TesseractReader(objects, settings.text_languages, settings.text_timeout_s)


def _hook_reader(objects: ObjectStore, rules: EgressRules, settings: Settings) -> TextReader:
    hook = make_hook("GRIDPRESS_TEXT_HOOK_URL", settings.text_hook_url, rules, settings, text_of)
    if hook is None:
        raise Misconfigured("GRIDPRESS_TEXT_READER=hook needs GRIDPRESS_TEXT_HOOK_URL")
    return HookReader(hook, make_questions(objects, settings))
