"""Builds the tokenizer and the chat template of the small checkpoint with random weights. Needs no network.

The tokenizer has no merges: every byte is a token.
"""

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from shared.geometry import CODEBOOK_SIZE

NUM_CONTROL_IDS = 128  # vision ids after the codes: the picture's start, its end, and spare ones


def dit_token(code: int) -> str:
    """Returns the text of the token with this vision id, for example `<|dit_token_7|>`."""
    return f"<|dit_token_{code}|>"


IMAGE, GRID_START, GRID_END, PAD = "<|image|>", "<sop>", "<eop>", "<|endoftext|>"


def chat_template(tokenizer: PreTrainedTokenizerFast) -> str:
    """Returns the chat template of the tokenizer.

    The template writes each condition image as a start token, one placeholder and an end token. Later, the model's
    Hugging Face processor repeats the placeholder once for each visual token. It also appends the target grid sizes and
    the start token of the picture to generate.
    """
    return (
        "{%- for message in messages -%}"
        "{%- if message.content is string -%}{{ message.content }}"
        "{%- else -%}{%- for part in message.content -%}"
        f"{{%- if part.type == 'image' -%}}{tokenizer.bos_token}{IMAGE}{tokenizer.eos_token}"
        "{%- elif part.type == 'text' -%}{{ part.text }}{%- endif -%}"
        "{%- endfor -%}{%- endif -%}"
        "{%- endfor -%}"
    )


def tokenizer_of(
    vision: Sequence[str], text: Sequence[str], merges: list[tuple[str, str]], num_codes: int
) -> PreTrainedTokenizerFast:
    """Returns a byte-level BPE tokenizer with the vocabulary `vision`, then `text`, then control tokens.

    `vision` are the codes, then the start and the end of a picture (`bos` and `eos`), then spare ids. Vision ids and
    control tokens are special tokens. With `merges`, text is split into words before they apply.
    """
    control = [PAD, IMAGE, GRID_START, GRID_END]
    vocabulary = {token: token_id for token_id, token in enumerate([*vision, *text, *control])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=bool(merges))
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in [*vision, *control]])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=vision[num_codes],
        eos_token=vision[num_codes + 1],
        pad_token=PAD,
        extra_special_tokens={"image_token": IMAGE, "grid_bos_token": GRID_START, "grid_eos_token": GRID_END},
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def build_tokenizer(num_codes: int = CODEBOOK_SIZE) -> PreTrainedTokenizerFast:
    """Returns the tokenizer of the small checkpoint with random weights. Its text tokens are the 256 bytes."""
    vision = [dit_token(code) for code in range(num_codes + NUM_CONTROL_IDS)]
    return tokenizer_of(vision, sorted(pre_tokenizers.ByteLevel.alphabet()), [], num_codes)
