"""The small checkpoint's byte-level tokenizer and chat template, built offline. No merges: a byte is a token."""

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

VISION_VOCAB_SIZE = 16_512  # ids 0..16383 are visual codes, the rest up to here control tokens of the picture
IMAGE_START_ID = 16_384
IMAGE_END_ID = 16_385


def dit_token(code: int) -> str:
    """The text form of a vision id."""
    return f"<|dit_token_{code}|>"


IMAGE_START = dit_token(IMAGE_START_ID)
IMAGE_END = dit_token(IMAGE_END_ID)
IMAGE, GRID_START, GRID_END, PAD = "<|image|>", "<sop>", "<eop>", "<|endoftext|>"

# Each condition image is start, placeholder, end; the processor repeats the placeholder once per VQ id and appends the
# target sizes and the start token of the picture that is generated.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.content is string -%}{{ message.content }}"
    "{%- else -%}{%- for part in message.content -%}"
    f"{{%- if part.type == 'image' -%}}{IMAGE_START}{IMAGE}{IMAGE_END}"
    "{%- elif part.type == 'text' -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- endfor -%}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Vision ids first, then 256 byte tokens, then the control tokens. Every control token is a special token."""
    vision = [dit_token(code) for code in range(VISION_VOCAB_SIZE)]
    text = sorted(pre_tokenizers.ByteLevel.alphabet())
    control = [PAD, IMAGE, GRID_START, GRID_END]
    vocabulary = {token: token_id for token_id, token in enumerate([*vision, *text, *control])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in [*vision, *control]])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=IMAGE_START,
        eos_token=IMAGE_END,
        pad_token=PAD,
        extra_special_tokens={"image_token": IMAGE, "grid_bos_token": GRID_START, "grid_eos_token": GRID_END},
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
