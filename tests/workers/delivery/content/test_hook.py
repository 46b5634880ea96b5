"""One hook over HTTP: signed, in time, and never believed when it misbehaves."""

from pathlib import Path

import pytest

from shared.egress.rules import EgressRules
from shared.settings.settings import Settings
from tests.workers.delivery.bad_receivers import ALL, misbehaving
from tests.workers.delivery.content.hooks import ALLOW, REJECT, a_hook, hooking
from workers.delivery.content.errors import NoVerdict
from workers.delivery.content.question import Question
from workers.delivery.content.verdict import Verdict

QUESTION = Question("chk_1_prompt", '{"type": "content.prompt", "data": {"prompt": "紅"}}')


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def test_a_signed_question_gets_its_verdict(settings: Settings) -> None:
    with hooking((200, ALLOW), (201, REJECT)) as hook:
        asked = a_hook(hook.url, settings)
        assert asked.ask(QUESTION) == Verdict(is_allowed=True)
        assert asked.ask(QUESTION) == Verdict(is_allowed=False, code="violence", reason="no weapons")
        assert [each["type"] for each in hook.questions] == ["content.prompt"] * 2
        assert hook.ids == [QUESTION.message_id] * 2


@pytest.mark.parametrize("bad", [(500, b""), (503, b"x"), (429, b""), (200, b"garbage"), (200, b"")])
def test_a_failure_that_may_pass_is_tried_again_with_the_same_id(settings: Settings, bad: tuple[int, bytes]) -> None:
    with hooking(bad, bad, (200, ALLOW)) as hook:
        assert a_hook(hook.url, settings).ask(QUESTION).is_allowed
        assert hook.ids == [QUESTION.message_id] * 3


@pytest.mark.parametrize(
    ("answer", "reason", "num_requests"),
    [
        ((500, b""), "refused", 3),
        ((302, ALLOW), "refused", 1),
        ((307, ALLOW), "refused", 1),
        ((403, ALLOW), "refused", 1),
        ((200, b"garbage"), "unreadable_answer", 3),
        ((200, ALLOW + b" " * 100_000), "answer_too_long", 1),
    ],
)
def test_in_the_end_there_is_no_verdict(
    settings: Settings, answer: tuple[int, bytes], reason: str, num_requests: int
) -> None:
    with hooking(answer) as hook:
        with pytest.raises(NoVerdict) as caught:
            a_hook(hook.url, settings).ask(QUESTION)
        assert (caught.value.reason, len(hook.heard)) == (reason, num_requests)


def test_the_time_limit_counts_for_all_attempts_together(settings: Settings) -> None:
    with hooking() as hook:
        hook.gate.clear()
        with pytest.raises(NoVerdict) as caught:
            a_hook(hook.url, settings, timeout_s=0.2).ask(QUESTION)
        assert (caught.value.reason, len(hook.heard)) == ("timeout", 1)


def test_an_attempt_that_would_begin_too_late_is_not_made(settings: Settings) -> None:
    with hooking((500, b"")) as hook:
        with pytest.raises(NoVerdict) as caught:
            a_hook(hook.url, settings, timeout_s=0.4).ask(QUESTION)
        assert (caught.value.reason, len(hook.heard)) == ("timeout", 1)


def test_a_private_address_is_refused_unless_it_is_allowed(settings: Settings) -> None:
    with hooking() as hook:
        with pytest.raises(NoVerdict) as caught:
            a_hook(hook.url, settings, rules=EgressRules()).ask(QUESTION)
        assert caught.value.reason == "url_refused"
        assert hook.heard == []


@pytest.mark.parametrize("name", ALL)
def test_a_misbehaving_hook_never_gives_a_verdict(settings: Settings, name: str) -> None:
    with misbehaving(name) as url, pytest.raises(NoVerdict):
        a_hook(url, settings, timeout_s=0.3, max_attempts=1).ask(QUESTION)
