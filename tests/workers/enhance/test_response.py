"""Which answers of a language model may be drawn."""

import json

import pytest

from tests.workers.enhance.chat import completion
from workers.enhance.errors import NotEnhanced
from workers.enhance.instructions import messages
from workers.enhance.response import checked, text_of

PROMPT = 'a bakery, a sign "Café 7"'
GOOD = 'A small bakery at dawn, its wooden sign "Café 7" lit from below'


def reason(text: str, max_chars: int = 500) -> str:
    with pytest.raises(NotEnhanced) as refused:
        checked(text, PROMPT, max_chars)
    return refused.value.reason


@pytest.mark.parametrize(
    "text", [GOOD, f"\n {GOOD}\n", f"<think>a sign,\n\nyes</think>\n\n{GOOD}", f"<prompt>\n{GOOD}\n</prompt>"]
)
def test_what_models_put_around_a_prompt_is_taken_off(text: str) -> None:
    assert checked(text, PROMPT, 500) == GOOD


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_answer"),
        ("<think>hm</think> ", "empty_answer"),
        (GOOD * 50, "answer_too_long"),
        ("a bakery with a sign", "quoted_text_lost"),
        (GOOD.replace("é", "e"), "quoted_text_lost"),
        (f"“{GOOD}”", "quoted_text_added"),
        (f'{GOOD}, the door says "Pull"', "quoted_text_added"),
        (f"Here is your prompt:\n\n{GOOD}", "not_a_prompt"),
        (f"{GOOD}\0", "unreadable_answer"),
        (f"{GOOD}\ud800", "unreadable_answer"),
    ],
)
def test_an_answer_that_must_not_be_drawn_is_refused_with_its_reason(text: str, code: str) -> None:
    assert reason(text) == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unreadable_answer"),
        (b"\xff\xfe", "unreadable_answer"),
        (b"[]", "unreadable_answer"),
        (b'{"choices": []}', "unreadable_answer"),
        (b'{"choices": [7]}', "unreadable_answer"),
        (b'{"choices": {"0": 1}}', "unreadable_answer"),
        (b"[" * 100_000, "unreadable_answer"),
        (json.dumps({"choices": [{"message": {"content": ["a"]}}]}).encode(), "empty_answer"),
        (completion(None), "empty_answer"),
        (completion(GOOD, finish_reason="length"), "answer_cut_off"),
    ],
)
def test_garbage_is_refused_with_its_reason(body: bytes, code: str) -> None:
    with pytest.raises(NotEnhanced) as refused:
        text_of(body)
    assert refused.value.reason == code


def test_the_text_of_a_completion_is_its_first_choices() -> None:
    assert text_of(completion(GOOD)) == GOOD


def test_an_edit_is_told_that_there_are_pictures() -> None:
    plain, edit = (messages(PROMPT, is_edit=is_edit) for is_edit in (False, True))
    assert plain[1] == edit[1]
    assert PROMPT in plain[1]["content"]
    assert edit[0]["content"].startswith(plain[0]["content"])
    assert "edits or combines pictures" in edit[0]["content"]
