"""Sampling equals what transformers' processors and `torch.multinomial` do, for every row by itself."""

import pytest
import torch
from transformers import LogitsProcessorList
from transformers.generation.logits_process import (
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from shared.geometry import CODEBOOK_SIZE
from tests.workers.ar.claims import a_claim
from workers.ar.model.loading import Sampling
from workers.ar.noise import CounterNoise, GeneratorNoise, exponential
from workers.ar.sampler import NOT_A_NUMBER, Sampler
from workers.ar.sequence import ArSequence

VOCABULARY = 16_512
ROWS = 6


def sequences(**settings: float) -> list[ArSequence]:
    return [ArSequence(a_claim(f"r{seed}", seed=seed, **settings), (1, 2, 3)) for seed in range(ROWS)]


def a_sampling(temperature: float, top_k: int, top_p: float, num_codes: int = CODEBOOK_SIZE) -> Sampling:
    return Sampling(temperature, top_k, top_p, num_codes)


def as_the_reference(logits: torch.Tensor, sampling: Sampling, seed: int) -> int:
    processors = LogitsProcessorList(
        [
            SuppressTokensLogitsProcessor(list(range(sampling.num_codes, len(logits)))),
            TemperatureLogitsWarper(sampling.temperature),
            TopKLogitsWarper(sampling.top_k),
            TopPLogitsWarper(sampling.top_p),
        ]
    )
    scores = processors(torch.zeros(1, 1, dtype=torch.long), logits.unsqueeze(0).clone())
    generator = torch.Generator().manual_seed(seed)
    return int(torch.multinomial(scores.softmax(-1), 1, generator=generator))


@pytest.mark.parametrize("spread", [0.01, 1.0, 8.0], ids=["flat", "medium", "peaked"])
@pytest.mark.parametrize(
    "sampling",
    [
        a_sampling(0.9, VOCABULARY, 0.75),
        a_sampling(1.0, 50, 1.0),
        a_sampling(1.5, 3_000, 0.5),
        a_sampling(1.0, 9, 0.1),
        a_sampling(0.9, VOCABULARY, 0.001),
        a_sampling(0.9, 1_152, 0.75, num_codes=1_024),
        a_sampling(1.0, 1_024, 0.9, num_codes=1_024),
        a_sampling(1.0, 40, 0.9, num_codes=1_024),
        a_sampling(0.9, 1_152, 0.001, num_codes=1_024),
    ],
)
def test_every_row_gets_the_references_token(spread: float, sampling: Sampling) -> None:
    vocabulary = sampling.num_codes + 128
    logits = spread * torch.randn(ROWS, vocabulary, generator=torch.Generator().manual_seed(3))
    picked = Sampler(sampling, GeneratorNoise(vocabulary)).pick(logits, sequences())
    assert picked == [as_the_reference(row, sampling, seed) for seed, row in enumerate(logits)]


def test_a_requests_own_settings_replace_the_checkpoints() -> None:
    logits = torch.randn(ROWS, VOCABULARY, generator=torch.Generator().manual_seed(4))
    picked = Sampler(a_sampling(0.1, VOCABULARY, 0.1), GeneratorNoise(VOCABULARY)).pick(
        logits, sequences(temperature=1.5, top_p=0.9)
    )
    asked = a_sampling(1.5, VOCABULARY, 0.9)
    assert picked == [as_the_reference(row, asked, seed) for seed, row in enumerate(logits)]


@pytest.mark.parametrize("num_codes", [CODEBOOK_SIZE, 1_024])
def test_ids_that_are_no_codes_are_never_chosen(num_codes: int) -> None:
    logits = torch.zeros(ROWS, VOCABULARY)
    logits[:, num_codes:] = 1_000.0
    sampling = a_sampling(1.0, VOCABULARY, 1.0, num_codes)
    picked = Sampler(sampling, GeneratorNoise(VOCABULARY)).pick(logits, sequences())
    assert max(picked) < num_codes


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_row_without_numbers_spoils_no_other(value: float) -> None:
    logits = torch.randn(ROWS, VOCABULARY, generator=torch.Generator().manual_seed(5))
    sampling = a_sampling(0.9, VOCABULARY, 0.75)
    whole = Sampler(sampling, GeneratorNoise(VOCABULARY)).pick(logits, sequences())
    logits[2, 7] = value
    spoiled = Sampler(sampling, GeneratorNoise(VOCABULARY)).pick(logits, sequences())
    assert spoiled == [*whole[:2], NOT_A_NUMBER, *whole[3:]]


def test_generator_noise_is_what_torch_draws_for_the_seed_step_after_step() -> None:
    noise, rows = GeneratorNoise(VOCABULARY), sequences()
    generators = [torch.Generator().manual_seed(seed) for seed in range(ROWS)]
    for _ in range(3):
        wanted = [torch.empty(VOCABULARY).exponential_(generator=generator) for generator in generators]
        assert noise.draw(rows).equal(torch.stack(wanted))


def test_counter_noise_depends_on_seed_and_step_alone_and_not_on_the_row() -> None:
    noise = CounterNoise(VOCABULARY, torch.device("cpu"))
    seeds, steps = torch.arange(ROWS).unsqueeze(1), torch.zeros(ROWS, 1, dtype=torch.int64)
    drawn = noise.variates(seeds, steps)
    assert drawn[3].equal(noise.variates(seeds[3:4], steps[3:4])[0])
    assert not drawn[3].equal(noise.variates(seeds[3:4], steps[3:4] + 1)[0])


def test_counter_noise_is_exponential_and_its_rows_are_unrelated() -> None:
    noise = CounterNoise(VOCABULARY, torch.device("cpu"))
    drawn = torch.cat([noise.variates(torch.tensor([[seed]]), torch.tensor([[0]])) for seed in range(64)])
    assert bool((drawn > 0).all())
    # A million variates of rate 1: mean 1 +- 0.001, variance 1 +- 0.003; bounds of five standard errors.
    assert abs(float(drawn.mean()) - 1) < 0.005
    assert abs(float(drawn.var()) - 1) < 0.015
    correlations = torch.corrcoef(drawn) - torch.eye(64)
    assert float(correlations.abs().max()) < 6 / VOCABULARY**0.5


def test_a_neighbour_that_needs_a_sort_changes_no_token() -> None:
    """Equal logits at the edge of top-p, which a race and a sort tell apart differently, beside a tiny top-p."""
    tied = torch.full((1, VOCABULARY), -1_000.0)
    tied[0, :CODEBOOK_SIZE:64] = 0.0
    rows = [ArSequence(a_claim(f"r{seed}", seed=seed, top_p=0.5), (1, 2, 3)) for seed in range(ROWS)]
    neighbour = ArSequence(a_claim("small", seed=ROWS, top_p=1e-6), (1, 2, 3))

    def pick(logits: torch.Tensor, *asking: ArSequence) -> list[int]:
        return Sampler(a_sampling(1.0, VOCABULARY, 1.0), GeneratorNoise(VOCABULARY)).pick(logits, asking)

    noisy = torch.randn(1, VOCABULARY, generator=torch.Generator().manual_seed(6))
    alone = [pick(tied, row)[0] for row in rows]
    assert pick(torch.cat([tied] * ROWS + [noisy]), *rows, neighbour)[:ROWS] == alone


def test_noise_of_a_hash_is_never_zero_or_infinite() -> None:
    noise = exponential(torch.tensor([0, -1, 2**63 - 1, -(2**63)]))
    assert noise.isfinite().all()
    assert (noise > 0).all()
