from collections.abc import Iterator

import pytest
import torch
from diffusers import GlmImagePipeline
from hypothesis import given
from hypothesis import strategies as st

from workers.dit.model import glyphs
from workers.dit.model.glyphs import GlyphEncoder, glyph_texts
from workers.dit.model.loading import DitModel

PROMPTS = [
    "nothing quoted",
    'one "text"',
    "two 'texts', 'here'",
    "Tom's hat and Ann's “coat”, 「帽子」 and \"scarf\"",
    'empty "" and "full"',
    'long "' + "词" * 900 + '" and "short"',
]


@pytest.fixture
def passes(dit_model: DitModel) -> Iterator[list[torch.Size]]:
    """The shapes that the text encoder was given."""
    shapes: list[torch.Size] = []
    hook = dit_model.text_encoder.register_forward_pre_hook(lambda _, args: shapes.append(args[0].shape))
    yield shapes
    hook.remove()


def encode(encoder: GlyphEncoder, prompt: str) -> torch.Tensor:
    return encoder.encode(encoder.tokenize(prompt))


@given(st.text(alphabet="ab '\"“”「」\n", max_size=40))
def test_quoted_texts_are_the_references(prompt: str) -> None:
    assert [glyph_texts(prompt)] == GlmImagePipeline.get_glyph_texts(None, prompt)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_embeddings_are_the_references(dit_model: DitModel, reference: GlmImagePipeline, prompt: str) -> None:
    with torch.no_grad():
        expected = reference._get_glyph_embeds([prompt])
    torch.testing.assert_close(encode(GlyphEncoder(dit_model), prompt), expected)


@pytest.mark.parametrize("text", ["</s>", "a</s>", "<pad> b", "<extra_id_0>", "<unk>"])
def test_a_control_token_that_a_user_typed_is_drawn_byte_by_byte(dit_model: DitModel, text: str) -> None:
    embeds = encode(GlyphEncoder(dit_model), f'a sign that says "{text}"')
    assert embeds.shape[1] == len(text.encode()) + 1  # and the end token that every text gets


def test_a_prompt_without_quoted_text_costs_no_pass_of_its_own(dit_model: DitModel, passes: list[torch.Size]) -> None:
    encoder = GlyphEncoder(dit_model)
    torch.testing.assert_close(encode(encoder, "nothing quoted"), encode(encoder, "nothing quoted either"))
    assert len(passes) == 1


def test_many_quoted_texts_are_encoded_in_passes_of_bounded_size(
    dit_model: DitModel, passes: list[torch.Size], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = " ".join(f'"{"x" * length}"' for length in range(1, 40))
    at_once = encode(GlyphEncoder(dit_model), prompt)
    monkeypatch.setattr(glyphs, "_MAX_PASS_TOKENS", 100)
    torch.testing.assert_close(encode(GlyphEncoder(dit_model), prompt), at_once)
    assert len(passes) > 2
    assert all(rows * tokens <= 100 for rows, tokens in passes[1:])
