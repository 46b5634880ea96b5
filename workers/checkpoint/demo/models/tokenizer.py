"""Builds the tokenizer of the demonstration model: vision ids, bytes, and merges learned from its training prompts."""

import json
from random import Random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from workers.checkpoint.demo.world.prompts import prompt_of
from workers.checkpoint.demo.world.scenes import random_scene
from workers.checkpoint.tokenizer import dit_token, tokenizer_of

_NUM_MERGED = 384  # text tokens including bytes: enough for the words of the prompts, hardly for quoted letters
_NUM_PROMPTS = 4_000


def build_tokenizer(num_codes: int, vision_vocab_size: int) -> PreTrainedTokenizerFast:
    """Returns the demonstration model's tokenizer, which can encode any text.

    Its vocabulary has vision ids first, then bytes and merges, then control tokens.
    """
    text = _learned()
    vision = [dit_token(code) for code in range(vision_vocab_size)]
    words = [token for token, _ in sorted(text.get_vocab().items(), key=lambda item: item[1])]
    return tokenizer_of(vision, words, _merges(text), num_codes)


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
