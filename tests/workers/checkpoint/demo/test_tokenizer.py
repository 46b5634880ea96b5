"""The tokenizer spells any text, and learns the same every time."""

import pytest

from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models.tokenizer import build_tokenizer

# Of `a red star, that says "OPEN"<sop>8 8<eop>` and the start token.
IDS = [2240, 2495, 2508, 2187, 2493, 2541, 2487, 2222, 2223, 2212, 2221, 2177, 2562, 2199, 2396, 2199, 2563, 2048]


@pytest.mark.parametrize("text", ["a red circle", "“Señor 7”", "一只猫", "\U0001f98a tab\tend", "  <b>  "])
def test_any_text_comes_back(text: str) -> None:
    tokenizer = ar_model.tokenizer()
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert min(ids) >= ar_model.VISION_VOCAB_SIZE


def test_the_worlds_words_are_one_token_each() -> None:
    tokenizer = ar_model.tokenizer()
    assert len(tokenizer("a red circle on a blue background", add_special_tokens=False).input_ids) == 7


def test_the_ids_of_a_prompt_are_those_that_the_weights_were_trained_on() -> None:
    again = build_tokenizer(ar_model.NUM_CODES, ar_model.VISION_VOCAB_SIZE)
    assert again.get_vocab() == ar_model.tokenizer().get_vocab()
    assert ar_model.prompt_ids('a red star, that says "OPEN"', ((8, 8),)) == IDS
