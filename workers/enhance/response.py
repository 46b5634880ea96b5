"""Takes the rewritten prompt from the response of a chat endpoint and checks it.

Raises `NotEnhanced` with a reason when the prompt can't be used.
"""

import json
import re

from shared.quoted_text import added_quotes, missing_quotes, with_curly_apostrophes, without_quotes
from workers.enhance.errors import NotEnhanced

# Reasoning text that some models put before the answer when their server does not remove it.
_REASONING = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_TAGS = re.compile(r"\A<prompt>(.*)</prompt>\Z", re.DOTALL)  # the tags around the prompt in our request, copied
_PARAGRAPHS = re.compile(r"\n\s*\n")


def text_of(body: bytes) -> str:
    """Returns the text of the model's message from the response body of a chat endpoint.

    Raises `NotEnhanced` when the body is not a chat completion, or when the text is missing or cut off.
    """
    try:
        choice = json.loads(body)["choices"][0]
        text, ending = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise NotEnhanced("unreadable_answer", "the endpoint's response is not a chat completion") from error
    if ending == "length":
        raise NotEnhanced("answer_cut_off", "the endpoint's response was cut off")
    if not isinstance(text, str):
        raise NotEnhanced("empty_answer", "the endpoint's response has no text")
    return text


def checked(text: str, prompt: str, max_chars: int) -> str:
    """Checks the rewritten prompt `text` and returns it, without the model's reasoning and without tags.

    Raises `NotEnhanced` when the rewritten prompt is empty, too long or not valid text. Also raises it when the quoted
    texts differ from those of `prompt`, or when the rewritten prompt has several paragraphs although `prompt` has one.
    """
    revised = _REASONING.sub("", text).strip()
    if tagged := _TAGS.match(revised):
        revised = tagged[1].strip()
    if not revised:
        raise NotEnhanced("empty_answer", "the endpoint's response has no text")
    if len(revised) > max_chars:
        raise NotEnhanced(
            "answer_too_long", f"the rewritten prompt has {len(revised)} characters, more than {max_chars}"
        )
    if "\0" in revised or any("\ud800" <= letter <= "\udfff" for letter in revised):
        raise NotEnhanced("unreadable_answer", "the rewritten prompt contains characters that are not valid text")
    revised = with_curly_apostrophes(revised)
    _check_quotes(prompt, revised)
    if _PARAGRAPHS.search(without_quotes(revised)) and not _PARAGRAPHS.search(without_quotes(prompt)):
        raise NotEnhanced("not_a_prompt", "the rewritten prompt has more than one paragraph")
    return revised


def _check_quotes(prompt: str, revised: str) -> None:
    """Raises `NotEnhanced` when the rewritten prompt lost a quoted text or has an additional one."""
    if missing := missing_quotes(prompt, revised):
        raise NotEnhanced("quoted_text_lost", f"the rewritten prompt lost the quoted text {missing[0][:100]}")
    if added := added_quotes(prompt, revised):
        raise NotEnhanced(
            "quoted_text_added", f"the rewritten prompt quotes a text that the prompt does not: {added[0][:100]}"
        )
