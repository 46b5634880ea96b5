"""Checks the limits and sizes of a request for pictures, except for the bytes of its condition images."""

from collections.abc import Iterator
from datetime import UTC, datetime

from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest
from shared.geometry import aligned_size, check_size, parse_size
from shared.intake.condition_images import url_flaws
from shared.intake.request import JobRequest
from shared.settings.settings import Settings
from shared.spelling.compare import has_quoted_words
from shared.webhooks.receivers import own_receiver_flaws
from shared.wording.values import quoted


def check(request: JobRequest, settings: Settings, rules: EgressRules) -> None:
    """Checks a request for pictures, except for its images. Raises `InvalidRequest` and `InvalidImage`."""
    for flaw in flaws(request, settings, rules):
        raise flaw


def flaws(request: JobRequest, settings: Settings, rules: EgressRules) -> Iterator[InvalidRequest]:
    """Yields all errors of a request for pictures, except those of its images."""
    yield from _limit_flaws(request, settings)
    beside = {field: getattr(request, field) for field in ("webhook_events", "webhook_payload", "webhook_secret")}
    yield from own_receiver_flaws(request.webhook_url, "webhook_url", beside, rules)
    yield from url_flaws(request.images, rules)
    if request.enhance_prompt and not settings.enhance_base_url:
        why = "this service can't enhance prompts: its operator has not set GRIDPRESS_ENHANCE_BASE_URL"
        yield InvalidRequest(why, "enhance_prompt")
    if request.reuse and request.prior is not None:
        yield InvalidRequest("a re-render can't be reused: its picture depends on an earlier one", "reuse")
    elif request.reuse and request.seed is None:
        yield InvalidRequest("reuse needs a seed: without one, every picture gets a random seed", "reuse")
    yield from _text_flaws(request, settings)
    yield from _size_flaws(request)


def asked_size(request: JobRequest) -> tuple[int, int] | None:
    """Returns the requested width and height in pixels; None if no size is requested.

    Raises `InvalidRequest` if only one side is given, or both `size` and a side.
    """
    width, height = request.width, request.height
    if request.size is not None:
        if width is not None or height is not None:
            raise InvalidRequest("give either size or width and height", "size")
        width, height = parse_size(request.size)
    if width is None and height is None:
        return None
    if width is None or height is None:
        missing = "width" if width is None else "height"
        raise InvalidRequest(f"{missing} is missing: width and height go together", missing)
    return width, height


def _limit_flaws(request: JobRequest, settings: Settings) -> Iterator[InvalidRequest]:
    for field, value, limit in (
        ("n", request.n, settings.max_n),
        ("num_inference_steps", request.num_inference_steps, settings.max_inference_steps),
    ):
        if value > limit:
            yield InvalidRequest(f"{field} must be at most {limit}, not {quoted(value)}", field)
    if request.deadline is not None and request.deadline <= datetime.now(UTC):
        yield InvalidRequest("deadline has passed", "deadline")
    if len(request.prompt) > settings.max_prompt_chars:
        too_long = f"prompt has {len(request.prompt)} characters, more than {settings.max_prompt_chars}"
        yield InvalidRequest(too_long, "prompt")


def _text_flaws(request: JobRequest, settings: Settings) -> Iterator[InvalidRequest]:
    """Yields the errors of the text check, if the request asks for one."""
    if request.text_check is None:
        return
    if settings.text_reader == "none":
        why = "this service can't check the text in pictures: its operator has not set GRIDPRESS_TEXT_READER"
        yield InvalidRequest(why, "text_check")
    if request.prior:
        why = "text_check draws new token grids, and a picture with a prior keeps its token grid"
        yield InvalidRequest(why, "text_check")
    elif request.reuse:
        yield InvalidRequest(
            "a picture whose text is checked is not reused: leave out reuse or text_check", "text_check"
        )
    elif not has_quoted_words(request.prompt):
        why = "the prompt has no text to check: put the words that the picture should show in quotation marks"
        yield InvalidRequest(why, "text_check")


def _size_flaws(request: JobRequest) -> Iterator[InvalidRequest]:
    """Yields the error of the requested size, if the model can't render it. With `resize` in the request, the size is
    rounded up first.
    """
    try:
        size = asked_size(request)
    except InvalidRequest as error:
        yield error
        return
    if size is None or request.prior:
        return
    try:
        check_size(*(aligned_size(*size) if request.resize else size))
    except InvalidRequest as error:
        yield InvalidRequest(str(error), "size" if request.size is not None else error.field)
