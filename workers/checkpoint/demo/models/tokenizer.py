"""Builds the tokenizer of the demonstration model: vision ids, bytes, and merges learned from its training prompts."""

import json
from random import Random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from workers.checkpoint.demo.world.prompts import prompt_of
from workers.checkpoint.demo.world.scenes import random_scene
from workers.checkpoint.tokenizer import GRID_END, GRID_START, IMAGE, PAD, dit_token

_NUM_MERGED = 384  # text tokens including bytes: enough for the words of the prompts, hardly for quoted letters
_NUM_PROMPTS = 4_000


def build_tokenizer(num_codes: int, vision_vocab_size: int) -> PreTrainedTokenizerFast:
    """Returns the demonstration model's tokenizer, which can encode any text.

    Its vocabulary has vision ids first, then bytes and merges, then control tokens.
    """
    text = _learned()
    vision = [dit_token(code) for code in range(vision_vocab_size)]
    control = [PAD, IMAGE, GRID_START, GRID_END]
    words = [token for token, _ in sorted(text.get_vocab().items(), key=lambda item: item[1])]
    vocabulary = {token: number for number, token in enumerate([*vision, *words, *control])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=_merges(text)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
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


def _learned() -> Tokenizer:
    rng = Random("tokenizer")
    prompts = [prompt_of(random_scene(rng), rng) for _ in range(_NUM_PROMPTS)]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=_NUM_MERGED, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    backend.train_from_iterator(prompts, trainer)
    return backend


def _merges(backend: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(backend.to_str())["model"]["merges"]]
