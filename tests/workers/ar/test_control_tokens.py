"""Control tokens in a text are found without searching for each of them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.ar.control_tokens import ControlTokens

# As GLM-Image's: one token for each visual token, and a few others.
GLM_IMAGE = [*(f"<|dit_token_{number}|>" for number in range(16_384)), "<|image|>", "<sop>", "[gMASK]"]


@settings(deadline=None)
@given(tokens=st.sets(st.text("<|ab>", min_size=1, max_size=4), max_size=6), text=st.text("<|ab>", max_size=12))
def test_a_text_has_control_tokens_exactly_if_one_of_them_is_a_part_of_it(tokens: set[str], text: str) -> None:
    assert ControlTokens(tokens).are_in(text) == any(token in text for token in tokens)


def test_a_prompt_that_does_not_look_like_one_costs_no_look_up() -> None:
    text = "a red kite over a 'green' hill, 4k. " * 100
    assert not list(ControlTokens(GLM_IMAGE).candidates(text))


def test_a_prompt_full_of_beginnings_costs_a_look_up_for_each_length() -> None:
    lengths = {len(token) for token in GLM_IMAGE if token[0] == "<"}
    assert len(list(ControlTokens(GLM_IMAGE).candidates("<" * 1000))) == 1000 * len(lengths)
