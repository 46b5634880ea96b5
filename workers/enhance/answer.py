"""From a chat endpoint's answer to a prompt that may be drawn, or a reason why not."""

import json
import re

from shared.quoted_text import invented, lost, with_curly_apostrophes, without_quotes
from workers.enhance.errors import NotEnhanced

# What models that think aloud put in front where their server does not take it out.
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_TAGS = re.compile(r"\A<prompt>(.*)</prompt>\Z", re.DOTALL)  # the ones that we put around the prompt, given back
_PARAGRAPHS = re.compile(r"\n\s*\n")


def text_of(body: bytes) -> str:
    """The text of a chat completion. Raises `NotEnhanced` for anything else."""
    try:
        choice = json.loads(body)["choices"][0]
        text, ending = choice["message"]["content"], choice.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise NotEnhanced("unreadable_answer", "the endpoint's answer is no chat completion") from error
    if ending == "length":
        raise NotEnhanced("answer_cut_off", "the endpoint's answer was cut off")
    if not isinstance(text, str):
        raise NotEnhanced("empty_answer", "the endpoint answered no text")
    return text


def checked(text: str, prompt: str, max_chars: int) -> str:
    """The rewritten prompt. Raises `NotEnhanced` unless it is one paragraph that quotes what `prompt` quotes."""
    revised = _THOUGHTS.sub("", text).strip()
    if tagged := _TAGS.match(revised):
        revised = tagged[1].strip()
    if not revised:
        raise NotEnhanced("empty_answer", "the endpoint answered no text")
    if len(revised) > max_chars:
        raise NotEnhanced("answer_too_long", f"the answer has {len(revised)} characters, more than {max_chars}")
    if "\0" in revised or any("\ud800" <= letter <= "\udfff" for letter in revised):
        raise NotEnhanced("unreadable_answer", "the answer holds characters that are no text")
    revised = with_curly_apostrophes(revised)
    _check_quotes(prompt, revised)
    if _PARAGRAPHS.search(without_quotes(revised)) and not _PARAGRAPHS.search(without_quotes(prompt)):
        raise NotEnhanced("not_a_prompt", "the answer is more than one paragraph")
    return revised


def _check_quotes(prompt: str, revised: str) -> None:
    if missing := lost(prompt, revised):
        raise NotEnhanced("quoted_text_lost", f"the answer lost the quoted text {missing[0][:100]}")
    if added := invented(prompt, revised):
        raise NotEnhanced("quoted_text_added", f"the answer quotes what the prompt does not: {added[0][:100]}")
