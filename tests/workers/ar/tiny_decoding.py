"""An AR engine over a decoder of two small layers in float64, for tests with many renders of a few tokens each."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from shared.jobs.leases import Claim
from tests.workers.ar.claims import a_claim
from workers.ar.engine import ArEngine
from workers.ar.model import decode_loop
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.layer_ops import TorchOps
from workers.ar.model.loading import Sampling
from workers.ar.preparation import Prompts
from workers.ar.prompt import Prompt
from workers.ar.sequence import ArSequence
from workers.ar.visits import Visits

HEADS, KV_HEADS, HEAD_SIZE, LAYERS, CODES = 2, 1, 8, 2, 32
HIDDEN = HEADS * HEAD_SIZE
ANY_TIME_S = 1e9


def a_network(seed: int = 0) -> Any:
    """Returns what the engine reads of a network, with random weights."""
    torch.manual_seed(seed)

    def norm() -> SimpleNamespace:
        return SimpleNamespace(weight=torch.rand(HIDDEN, dtype=torch.float64) + 0.5)

    def linear(size: int, out: int) -> nn.Linear:
        return nn.Linear(size, out, bias=False, dtype=torch.float64).requires_grad_(requires_grad=False)

    def layer() -> SimpleNamespace:
        qkv = linear(HIDDEN, (HEADS + 2 * KV_HEADS) * HEAD_SIZE)
        attention = SimpleNamespace(qkv_proj=qkv, o_proj=linear(HIDDEN, HIDDEN))
        mlp = SimpleNamespace(gate_up_proj=linear(HIDDEN, 2 * HIDDEN), down_proj=linear(HIDDEN, HIDDEN))
        names = ("input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm")
        return SimpleNamespace(self_attn=attention, mlp=mlp, **{name: norm() for name in names})

    embedding = nn.Embedding(CODES, HIDDEN, dtype=torch.float64).requires_grad_(requires_grad=False)
    text = SimpleNamespace(
        embed_tokens=embedding, layers=[layer() for _ in range(LAYERS)], norm=norm(), rotary_emb=_rotary
    )
    config = SimpleNamespace(
        hidden_size=HIDDEN, num_attention_heads=HEADS, hidden_act="silu", rms_norm_eps=1e-5, vision_vocab_size=CODES
    )
    return SimpleNamespace(
        config=SimpleNamespace(text_config=config),
        model=SimpleNamespace(language_model=text),
        lm_head=lambda hidden: 6 * hidden @ embedding.weight.T,
        parameters=list,
    )


def _rotary(_: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Returns tables of (1, tokens, 4) for positions (3, 1, tokens)."""
    angles = positions[0].unsqueeze(-1) * torch.tensor([1.0, 0.3, 1.0, 0.3], dtype=torch.float64)
    return angles.cos(), angles.sin()


def _norm(_: TorchOps, hidden: Tensor, weight: Tensor) -> Tensor:
    """Computes the norm in float64, because the number of rows must not change a token by rounding."""
    return hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + 1e-5) * weight


@contextmanager
def tiny_engines() -> Iterator[None]:
    """Makes engines decode few tokens for a render, of a prompt that depends on its job alone. A render collapses if
    its last token is below 8, so that some are tried again.
    """

    def length(sequence: ArSequence) -> int:
        return 3 + sequence.claim.seed % 29

    def take(_: Prompts, claim: Claim) -> Prompt:
        size = 2 + len(claim.settings.prompt)
        token_ids = tuple((index * index + size) % CODES for index in range(size))
        return Prompt(token_ids, -1, tuple((index,) * 3 for index in range(size + 32)), (), ())

    def memory(_: object, num_tokens: int) -> KvMemory:
        sizes = {"num_layers": LAYERS, "num_kv_heads": KV_HEADS, "head_size": HEAD_SIZE, "rotated_size": 4}
        return KvMemory(**sizes, num_tokens=num_tokens, device=torch.device("cpu"), dtype=torch.float64)

    with (
        patch.object(ArSequence, "num_tokens_total", property(length)),
        patch.object(ArSequence, "token_grid", lambda sequence: tuple(sequence.tokens)),
        patch.object(Prompts, "take", take),
        patch.object(TorchOps, "norm", _norm),
        patch.object(decode_loop, "allocate_kv_memory", memory),
        patch("workers.ar.engine.is_degenerate", lambda tokens, _: tokens[-1] < 8),
    ):
        yield


def a_tiny_engine(num_kv_tokens: int, max_sequences: int, most_steps: int) -> ArEngine:
    """Returns an engine that runs `most_steps` decode steps between two visits, however long they take."""
    device = torch.device("cpu")
    sampling = Sampling(temperature=1.0, top_k=CODES, top_p=0.9, num_codes=CODES)
    model: Any = SimpleNamespace(network=a_network(), sampling=sampling, device=device)
    engine = ArEngine(model, dict[Any, Any]().__getitem__, num_kv_tokens=num_kv_tokens, max_sequences=max_sequences)
    engine._visits = Visits(most_steps, ANY_TIME_S)
    engine._visits.note(1, 1.0)
    return engine


def claims(num: int, seed: int) -> list[Claim]:
    """Returns claims of several lengths and prompts. Some of them are of one job, and have the same prompt."""
    return [
        a_claim(f"r{index}", seed=seed + 7 * index, job=f"j{index // 2}", prompt="x" * (seed % 11 + 3 * (index // 2)))
        for index in range(num)
    ]
