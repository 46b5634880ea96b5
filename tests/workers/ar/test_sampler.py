"""Sampling equals what transformers' processors and `torch.multinomial` do, for every row by itself."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LogitsProcessorList
from transformers.generation.logits_process import (
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from shared.geometry import CODEBOOK_SIZE
from tests.workers.ar.torch_noise import TorchNoise
from workers.ar.model.loading import Sampling
from workers.ar.model.row_sampling import TorchSampling
from workers.ar.model.step_inputs import Inputs
from workers.ar.noise import CounterNoise, exponential
from workers.ar.sampler import NOT_A_NUMBER, Choose, choose_by_race, choose_kept, keep_likeliest, lowest_kept

VOCABULARY = 16_512
ROWS = 6
CHOICES = [choose_by_race, choose_kept]  # of a CPU, and of a GPU without the kernel


def inputs(temperature: float = 1.0, top_p: float = 1.0, seeds: Sequence[int] = range(ROWS)) -> Inputs:
    integers = [torch.zeros(len(seeds), dtype=torch.int64) for _ in range(6)]
    integers[2] = torch.tensor(seeds)
    settings = torch.tensor([temperature, top_p], dtype=torch.float64).unsqueeze(1).expand(2, len(seeds))
    return Inputs(*integers, *settings)


def pick(logits: torch.Tensor, sampling: Sampling, choose: Choose = choose_by_race) -> list[int]:
    """Samples rows with the seeds 0, 1, 2 ..., with the random numbers of torch's generators."""
    noise = TorchNoise(logits.shape[1])
    asked = inputs(sampling.temperature, sampling.top_p, range(len(logits)))
    return TorchSampling(sampling, noise, choose)(logits, asked).tolist()


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


@pytest.mark.parametrize("choose", CHOICES)
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
def test_every_row_gets_the_references_token(spread: float, sampling: Sampling, choose: Choose) -> None:
    vocabulary = sampling.num_codes + 128
    logits = spread * torch.randn(ROWS, vocabulary, generator=torch.Generator().manual_seed(3))
    expected = [as_the_reference(row, sampling, seed) for seed, row in enumerate(logits)]
    assert pick(logits, sampling, choose) == expected


def test_each_row_has_its_own_temperature_and_top_p() -> None:
    logits = torch.randn(ROWS, VOCABULARY, generator=torch.Generator().manual_seed(4))
    asked = [a_sampling(0.5 + 0.2 * row, VOCABULARY, 0.95 - 0.1 * row) for row in range(ROWS)]
    settings = torch.tensor([[each.temperature, each.top_p] for each in asked], dtype=torch.float64)
    own = replace(inputs(), temperature=settings[:, 0], top_p=settings[:, 1])
    picked = TorchSampling(asked[0], TorchNoise(VOCABULARY), choose_by_race)(logits, own).tolist()
    assert picked == [as_the_reference(row, asked[seed], seed) for seed, row in enumerate(logits)]


@pytest.mark.parametrize("num_codes", [CODEBOOK_SIZE, 1_024])
def test_ids_that_are_no_codes_are_never_chosen(num_codes: int) -> None:
    logits = torch.zeros(ROWS, VOCABULARY)
    logits[:, num_codes:] = 1_000.0
    assert max(pick(logits, a_sampling(1.0, VOCABULARY, 1.0, num_codes))) < num_codes


@pytest.mark.parametrize("choose", CHOICES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_row_without_numbers_spoils_no_other(value: float, choose: Choose) -> None:
    logits = torch.randn(ROWS, VOCABULARY, generator=torch.Generator().manual_seed(5))
    sampling = a_sampling(0.9, VOCABULARY, 0.75)
    whole = pick(logits, sampling, choose)
    logits[2, 7] = value
    assert pick(logits, sampling, choose) == [*whole[:2], NOT_A_NUMBER, *whole[3:]]


def kept_by_sorting(probs: torch.Tensor, top_p: float) -> torch.Tensor:
    """The top-p set of one row by its definition: the codes whose likelier codes together are below `top_p`."""
    likeliest = probs.double().sort(descending=True).values
    before = torch.cat([torch.zeros(1, dtype=torch.float64), likeliest.cumsum(0)])
    num_likelier = torch.searchsorted(-likeliest, -probs.double())  # equal ones are not likelier
    return before[num_likelier] < top_p


def exact_probs(rows: torch.Tensor) -> torch.Tensor:
    """Returns probabilities that are multiples of 2^-22, so that every sum of them is exact in float32."""
    return (rows * 2**22).round() / 2**22


def hostile_probs() -> torch.Tensor:
    """Rows of 64 probabilities: powers of two that reach a limit exactly, equal ones at the limit, and zeros."""
    halves = torch.zeros(64)
    halves[:20] = 2.0 ** -torch.arange(1.0, 21)
    halves[20] = 2.0**-20
    one, equal, two_kinds, tiny = (torch.zeros(64) for _ in range(4))
    one[63] = 1.0
    equal[:] = 1 / 64
    two_kinds[:4], two_kinds[4:36] = 1 / 8, 1 / 64
    tiny[0], tiny[1:] = 1 - 63 * 2.0**-22, 2.0**-22
    return torch.stack([halves, halves.flip(0), one, equal, two_kinds, two_kinds.flip(0), tiny])


@pytest.mark.parametrize("top_p", [1e-9, 2**-22, 0.125, 0.25, 0.499, 0.5, 0.625, 0.75, 0.875, 1 - 2**-20, 1.0])
def test_the_top_p_set_is_that_of_the_definition_also_with_ties_at_its_limit(top_p: float) -> None:
    limits = torch.full((7, 1), top_p)
    hostile = hostile_probs()
    assert (hostile.sum(1) == 1).all()
    kept = hostile >= lowest_kept(hostile, limits)
    assert kept.tolist() == [kept_by_sorting(row, top_p).tolist() for row in hostile]


@given(seed=st.integers(0, 2**32), spread=st.floats(0, 12), top_p=st.floats(1e-6, 1))
@settings(max_examples=30, deadline=None)
def test_the_top_p_set_of_random_rows_is_that_of_the_definition(seed: int, spread: float, top_p: float) -> None:
    probs = exact_probs(torch.softmax(spread * torch.randn(3, 257, generator=torch.Generator().manual_seed(seed)), -1))
    limit = float(torch.tensor(top_p))
    kept = probs >= lowest_kept(probs, torch.full((3, 1), limit))
    assert kept.tolist() == [kept_by_sorting(row, limit).tolist() for row in probs]


@given(seed=st.integers(0, 2**32), num_levels=st.integers(1, 5), top_p=st.floats(1e-6, 1))
@settings(max_examples=30, deadline=None)
def test_a_race_chooses_what_the_top_p_set_does(seed: int, num_levels: int, top_p: float) -> None:
    """Few different logits, so that many codes are equally likely."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(num_levels, (ROWS, 256), generator=generator).float()
    noise = torch.empty(ROWS, 256).exponential_(generator=generator)
    probs, limit = exact_probs(torch.softmax(logits, -1)), torch.full((ROWS, 1), top_p)
    assert choose_by_race(probs, noise, limit).equal(choose_kept(probs, noise, limit))


def test_top_k_keeps_codes_that_are_as_likely_as_the_last_of_them() -> None:
    probs = torch.tensor([[0.5, 0.125, 0.25, 0.125], [0.25, 0.25, 0.25, 0.25]])
    assert keep_likeliest(probs, 3).equal(probs)
    assert keep_likeliest(probs, 2).equal(torch.tensor([[0.5, 0, 0.25, 0], [0.1875] * 4]) / 0.75)


def test_counter_noise_depends_on_seed_and_step_alone_and_not_on_the_row() -> None:
    noise = CounterNoise(VOCABULARY, torch.device("cpu"))
    seeds, steps = torch.arange(ROWS), torch.zeros(ROWS, dtype=torch.int64)
    drawn = noise.variates(seeds, steps)
    assert drawn[3].equal(noise.variates(seeds[3:4], steps[3:4])[0])
    assert not drawn[3].equal(noise.variates(seeds[3:4], steps[3:4] + 1)[0])
    assert drawn[:, :100].equal(CounterNoise(100, torch.device("cpu")).variates(seeds, steps))


def test_counter_noise_stays_as_it_is_because_seeds_of_earlier_pictures_depend_on_it() -> None:
    """The numbers are those of SplitMix64's finaliser in unsigned arithmetic, computed here with Python's integers."""

    def mixed(bits: int) -> int:
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % 2**64
        return bits ^ bits >> 31

    golden = 0x9E3779B97F4A7C15
    seeds, steps = [0, 1, 2**53 - 1, 2**63 - 1], [0, 3, 1280, 7]
    drawn = CounterNoise(5, torch.device("cpu")).variates(torch.tensor(seeds), torch.tensor(steps))
    for row, seed, step in zip(drawn, seeds, steps, strict=True):
        start = mixed((mixed(seed) + step * golden) % 2**64)
        bits = [mixed((start + code * golden) % 2**64) >> 41 & 0x7FFFFF for code in range(5)]
        assert row.tolist() == pytest.approx([-math.log((each + 0.5) / 2**23) for each in bits], rel=1e-5)


def test_counter_noise_is_exponential_and_its_rows_are_unrelated() -> None:
    noise = CounterNoise(VOCABULARY, torch.device("cpu"))
    drawn = torch.cat([noise.variates(torch.tensor([seed]), torch.tensor([0])) for seed in range(64)])
    assert bool((drawn > 0).all())
    # A million variates of rate 1: mean 1 +- 0.001, variance 1 +- 0.003; bounds of five standard errors.
    assert abs(float(drawn.mean()) - 1) < 0.005
    assert abs(float(drawn.var()) - 1) < 0.015
    correlations = torch.corrcoef(drawn) - torch.eye(64)
    assert float(correlations.abs().max()) < 6 / VOCABULARY**0.5


def test_a_neighbour_with_a_tiny_top_p_changes_no_token() -> None:
    """Equal logits at the edge of top-p, beside a row whose race finds no winner in time."""
    tied = torch.full((1, VOCABULARY), -1_000.0)
    tied[0, :CODEBOOK_SIZE:64] = 0.0
    noisy = torch.randn(1, VOCABULARY, generator=torch.Generator().manual_seed(6))
    sampling = a_sampling(1.0, VOCABULARY, 1.0)
    sample = TorchSampling(sampling, TorchNoise(VOCABULARY), choose_by_race)
    alone = [int(sample(tied, inputs(top_p=0.5, seeds=[seed]))) for seed in range(ROWS)]
    together = inputs(top_p=0.5, seeds=range(ROWS + 1))
    limits = together.top_p.clone()
    limits[ROWS] = 1e-6
    logits = torch.cat([tied] * ROWS + [noisy])
    picked = TorchSampling(sampling, TorchNoise(VOCABULARY), choose_by_race)(logits, replace(together, top_p=limits))
    assert picked.tolist()[:ROWS] == alone
    assert int(picked[ROWS]) == int(noisy[0, :CODEBOOK_SIZE].argmax())


def test_noise_of_a_hash_is_never_zero_or_infinite() -> None:
    noise = exponential(torch.tensor([0, -1, 2**63 - 1, -(2**63)]))
    assert noise.isfinite().all()
    assert (noise > 0).all()
