"""Calls to a chat endpoint: what is sent, and that neither time nor size is without bound."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared.errors import Misconfigured
from shared.settings.settings import Settings
from tests.workers.enhance.chat import Chat, chatting, completion, says
from workers.enhance.endpoint import ChatEndpoint
from workers.enhance.errors import NotEnhanced
from workers.enhance.instructions import messages
from workers.enhance.main import chat_endpoint

ASKED = messages("a kite", is_edit=False)
PATIENT_S, HASTY_S = 30.0, 0.2


@contextmanager
def endpoint(url: str, timeout_s: float = PATIENT_S) -> Iterator[ChatEndpoint]:
    made = ChatEndpoint(url, "secret", {"model": "m"}, timeout_s)
    yield made
    made.close()


def refusal(url: str, timeout_s: float = PATIENT_S) -> NotEnhanced:
    with endpoint(url, timeout_s) as asked, pytest.raises(NotEnhanced) as refused:
        asked.ask(ASKED)
    return refused.value


def answering(status: int, body: bytes = b"{}") -> Any:
    return chatting(lambda _: (status, body))


def test_a_request_is_a_chat_completion_with_the_settings_fields() -> None:
    with chatting(says("a red kite")) as chat:
        settings = Settings(
            enhance_base_url=f"{chat.url}/",
            enhance_api_key="k-1",
            enhance_extra_body={"thinking": {"type": "disabled"}},
        )
        asked = chat_endpoint(settings)
        assert asked.ask(ASKED) == completion("a red kite")
        asked.close()
    [(headers, body)] = chat.heard
    assert (headers["path"], headers["authorization"]) == ("/v1/chat/completions", "Bearer k-1")
    assert body == {
        "model": settings.enhance_model,
        "thinking": {"type": "disabled"},
        "messages": list(ASKED),
        "stream": False,
    }


def test_without_an_endpoint_there_is_nothing_to_run() -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_ENHANCE_BASE_URL"):
        chat_endpoint(Settings())


@pytest.mark.parametrize(
    ("status", "code", "is_final"),
    [
        (500, "endpoint_unavailable", False),
        (429, "endpoint_unavailable", False),
        (401, "endpoint_refused", True),
        (302, "endpoint_refused", True),
    ],
)
def test_only_a_passing_refusal_is_worth_another_call(status: int, code: str, is_final: bool) -> None:
    with answering(status) as chat:
        refused = refusal(chat.url)
    assert (refused.reason, refused.is_final) == (code, is_final)
    assert "secret" not in str(refused)


def test_nobody_there_is_a_reason_too() -> None:
    with answering(200) as chat:
        url = chat.url
    assert refusal(url).reason == "endpoint_unavailable"


def test_an_answer_without_end_is_cut() -> None:
    with answering(200, b"x" * 100_000_000) as chat:
        assert refusal(chat.url).reason == "answer_too_long"


def _never(chat: Chat) -> None:
    chat.gate.clear()


def _drop_by_drop(chat: Chat) -> None:
    chat.drip = b"x-wait: a little\r\n"


@pytest.mark.parametrize("behaviour", [_never, _drop_by_drop])
def test_the_time_limit_is_for_the_whole_call(behaviour: Any) -> None:
    with chatting(says("too late")) as chat:
        behaviour(chat)
        refused = refusal(chat.url, HASTY_S)
    assert (refused.reason, refused.is_final) == ("timeout", True)


def test_a_loop_that_stops_by_mistake_runs_again_and_calls_are_answered() -> None:
    with chatting(says("a red kite")) as chat, endpoint(chat.url) as asked:
        asked._loop.call_soon_threadsafe(asked._loop.stop)
        assert asked.ask(ASKED) == completion("a red kite")
