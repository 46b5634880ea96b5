"""The tokenizer spells any text, and learns the same every time."""

import pytest

from workers.checkpoint.demo import ar_model
from workers.checkpoint.demo.tokenizer import build_tokenizer

# Of `a red star, that says "OPEN"<sop>8 8<eop>` and the start token.
IDS = [1216, 1471, 1484, 1163, 1469, 1517, 1463, 1198, 1199, 1188, 1197, 1153, 1538, 1175, 1372, 1175, 1539, 1024]


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
