"""Continuous batching: whatever else runs, a render gives what it gives alone."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import RenderFailed
from shared.ids import ObjectKey, RenderId
from shared.jobs.leases import Progress
from shared.jobs.token_grid import Prior
from tests.workers.ar.claims import IMAGES, a_claim, alone, an_engine, finish
from workers.ar import guard
from workers.ar.engine import ArEngine
from workers.ar.model.decoder import Decoder
from workers.ar.model.loading import ArModel
from workers.ar.model.runner import ArRunner
from workers.ar.model.vision import ConditionTokenizer
from workers.ar.preparation import Prompts
from workers.ar.sequence import ArSequence
from workers.ar.visits import MOST_STEPS
from workers.device.loss import DeviceFull, is_device_lost

CLAIMS = [
    a_claim("a", (256, 256), seed=1),
    a_claim("b", (320, 256), seed=2, prompt="a 'big' wave"),
    a_claim("c0", (256, 320), seed=3, job="c", prompt="a long story " * 60, images=("lamp",)),
    a_claim("c1", (256, 320), seed=4, job="c", prompt="a long story " * 60, images=("lamp",)),
    a_claim("d", (256, 256), seed=5, prompt="on grass", images=("mug",)),
]
EDIT = CLAIMS[4]  # takes a fifth of the decode steps of a plain picture, so it stands for all where any render will do


@pytest.fixture(scope="module")
def expected(ar_model: ArModel) -> dict[str, object]:
    return {claim.render_id: alone(ar_model, claim) for claim in CLAIMS}


@given(seed=st.integers(0, 2**32), max_sequences=st.integers(1, 5))
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
def test_order_of_arrival_neighbours_and_memory_change_nothing(
    ar_model: ArModel, expected: dict[str, object], seed: int, max_sequences: int
) -> None:
    rng = random.Random(seed)
    # Room for two or three of the renders, so that some wait for others.
    engine = an_engine(ar_model, num_kv_tokens=rng.randint(3_000, 6_000), max_sequences=max_sequences)
    waiting = rng.sample(CLAIMS, len(CLAIMS))
    ends = {}
    while waiting or not engine.is_idle:
        if waiting and (engine.is_idle or rng.random() < 0.02):
            engine.admit(waiting.pop())
        ends.update({outcome.claim.render_id: outcome.result for outcome in engine.step()})
    assert ends == expected


def test_siblings_share_one_prefill(ar_model: ArModel, monkeypatch: pytest.MonkeyPatch) -> None:
    prefilled: list[RenderId] = []
    prefill = ArRunner.prefill

    def counted(runner: ArRunner, sequence: ArSequence) -> None:
        prefilled.append(sequence.render_id)
        prefill(runner, sequence)

    monkeypatch.setattr(ArRunner, "prefill", counted)
    siblings = [a_claim(f"s{index}", seed=index, job="siblings", images=("mug",)) for index in range(4)]
    finish(an_engine(ar_model), siblings)
    assert prefilled == ["s0"]


def test_a_condition_image_is_encoded_once_for_all_renders(ar_model: ArModel, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[object] = []
    encode = ConditionTokenizer._encode
    monkeypatch.setattr(ConditionTokenizer, "_encode", lambda self, *args: encoded.append(1) or encode(self, *args))
    engine = an_engine(ar_model)
    for index in range(3):
        engine.admit(a_claim(f"e{index}", images=("mug",)))
    assert not encoded, "an admission would hold up those that are decoded"
    for _ in range(3):
        engine.step()
    assert len(encoded) == 1


def test_a_dropped_render_frees_its_place_and_leaves_no_trace(ar_model: ArModel, expected: dict[str, object]) -> None:
    engine = an_engine(ar_model, max_sequences=1)
    engine.admit(CLAIMS[1])
    engine.admit(EDIT)
    for _ in range(10):
        engine.step()
    assert engine.progress()[EDIT.render_id].done == 0
    engine.drop(CLAIMS[1].render_id)
    engine.drop(RenderId("never seen"))
    assert finish(engine) == {"d": expected["d"]}


def test_a_plan_that_a_drop_makes_void_loses_nobody_whom_it_admitted(
    ar_model: ArModel, expected: dict[str, object]
) -> None:
    engine = an_engine(ar_model)
    for claim in CLAIMS[:2]:
        engine.admit(claim)
    assert engine.in_step() == {"a", "b"}
    engine.drop(CLAIMS[1].render_id)
    assert finish(engine) == {"a": expected["a"]}


def test_progress_counts_decode_steps_with_the_end_token(ar_model: ArModel) -> None:
    engine = an_engine(ar_model)
    claim = a_claim("p", images=("mug",))
    engine.admit(claim)
    assert engine.progress() == {"p": Progress(0, 8 * 8 + 1)}
    seen = []
    while not engine.is_idle:
        engine.step()
        seen += [progress.done for progress in engine.progress().values()]
    assert seen == sorted(seen)
    assert seen[-1] >= 64 - MOST_STEPS


def test_a_render_claimed_again_starts_over_under_the_new_claim(ar_model: ArModel, expected: dict[str, object]) -> None:
    engine = an_engine(ar_model)
    engine.admit(EDIT)
    for _ in range(5):
        engine.step()
    assert finish(engine, [EDIT]) == {"d": expected["d"]}


def test_numbers_that_are_none_fail_their_render_alone(
    ar_model: ArModel, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, decode = an_engine(ar_model), Decoder.decode

    def poisoned(decoder: Decoder, token_ids: torch.Tensor, starts: torch.Tensor, lengths: torch.Tensor) -> object:
        logits = decode(decoder, token_ids, starts, lengths).clone()
        if work := engine._work.get(CLAIMS[1].render_id):
            extent, prompt = work.sequence.extent, work.sequence.prompt
            if extent:
                logits[(starts == extent.start) & (lengths == len(prompt) + 7), 99] = float("nan")
        return logits

    monkeypatch.setattr(Decoder, "decode", poisoned)
    ends = finish(engine, CLAIMS[:2])
    assert ends["a"] == expected["a"]
    assert isinstance(ends["b"], RenderFailed)
    assert ends["b"].reason == "nan_logits"
    assert "decode step 8 " in str(ends["b"])


def test_a_collapsed_grid_is_retried_once_with_another_stream(
    ar_model: ArModel, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[bool] = []
    monkeypatch.setattr("workers.ar.engine.is_degenerate", lambda *_: judged.append(True) or len(judged) == 1)
    end = alone(ar_model, EDIT)
    assert isinstance(end, Prior)
    assert end != expected["d"]
    judged.clear()
    assert alone(ar_model, EDIT) == end, "the retry's stream depends on the seed alone"


def test_a_grid_that_collapses_twice_fails_by_name(ar_model: ArModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "TOKENS_PER_DISTINCT_CODE", 0.01)
    end = alone(ar_model, EDIT)
    assert isinstance(end, RenderFailed)
    assert end.reason == "degenerate_tokens"


def test_a_render_that_can_never_fit_is_refused_at_once(ar_model: ArModel) -> None:
    engine = an_engine(ar_model, num_kv_tokens=300)
    with pytest.raises(RenderFailed, match="300") as refusal:
        engine.admit(a_claim("large", (1024, 1024)))
    assert refusal.value.reason == "kv_too_large"
    assert engine.is_idle


def test_an_unreadable_condition_image_fails_its_render_by_name(ar_model: ArModel) -> None:
    def load(key: ObjectKey) -> object:
        raise OSError("truncated")

    engine = ArEngine(ar_model, load, num_kv_tokens=9_000, max_sequences=1)  # type: ignore[arg-type]
    with pytest.raises(RenderFailed) as refusal:
        engine.admit(a_claim("e", images=tuple(IMAGES)))
    assert refusal.value.reason == "bad_condition_image"


def test_a_prompt_that_was_built_ahead_is_not_built_by_the_engine_thread(
    ar_model: ArModel, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, engine = EDIT, an_engine(ar_model)
    with ThreadPoolExecutor(1) as another_thread:
        another_thread.submit(engine.prepare, claim).result()
    monkeypatch.setattr("workers.ar.preparation.build_prompt", lambda *_: pytest.fail("built again"))
    assert finish(engine, [claim]) == {"d": expected["d"]}


def test_prompts_of_claims_that_never_came_are_let_go_of(ar_model: ArModel) -> None:
    prompts = Prompts(ar_model, IMAGES.__getitem__, most_kept=1)
    lost, taken = a_claim("lost"), a_claim("taken")
    prompts.prepare(lost)
    prompts.prepare(taken)
    assert list(prompts._kept) == [taken.lease]
    assert prompts.take(lost).token_ids == prompts.take(taken).token_ids


def full(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.\nand ten more lines")


def crash(*_: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(("strike", "reason"), [(full, "out_of_memory"), (crash, "engine_error")])
@pytest.mark.parametrize("where", ["place", "prefill"])
def test_one_whose_prefill_breaks_fails_alone(
    ar_model: ArModel,
    expected: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    strike: Callable[[], None],
    reason: str,
) -> None:
    compute = getattr(ArRunner, where)

    def breaks_for_a(runner: ArRunner, sequence: ArSequence, *rest: object) -> None:
        strike() if sequence.render_id == "a" else compute(runner, sequence, *rest)

    monkeypatch.setattr(ArRunner, where, breaks_for_a)
    ends = finish(an_engine(ar_model), [CLAIMS[0], EDIT])
    assert isinstance(ends["a"], RenderFailed)
    assert ends["a"].reason == reason
    assert ends["d"] == expected["d"]


def test_one_whose_image_cannot_be_encoded_fails_alone(
    ar_model: ArModel, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConditionTokenizer, "_encode", full)
    ends = finish(an_engine(ar_model), [EDIT, CLAIMS[0]])
    assert isinstance(ends["d"], RenderFailed)
    assert ends["d"].reason == "out_of_memory"
    assert ends["a"] == expected["a"]


def test_a_decode_step_that_breaks_fails_those_in_it_and_nobody_who_comes_later(
    ar_model: ArModel, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = an_engine(ar_model)
    with monkeypatch.context() as broken:
        broken.setattr(Decoder, "decode", crash)
        ends = finish(engine, [CLAIMS[0]])
    assert isinstance(ends["a"], RenderFailed)
    assert finish(engine, [EDIT]) == {"d": expected["d"]}


@pytest.mark.parametrize(("part", "where"), [(ArRunner, "place"), (Decoder, "prefill"), (Decoder, "decode")])
def test_a_librarys_fault_on_a_gpu_that_no_longer_responds_fails_nobody_but_the_engine(
    ar_model: ArModel, monkeypatch: pytest.MonkeyPatch, part: type, where: str
) -> None:
    """cuBLAS and Triton raise plain errors, which look like those of one render, or of the 32 renders of a step."""

    def lose(*_: object) -> None:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED")

    engine = an_engine(ar_model)
    engine._device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "synchronize", lose)
    monkeypatch.setattr(part, where, lose)
    with pytest.raises(RuntimeError, match="CUBLAS"):
        finish(engine, CLAIMS[:2])


def test_a_device_that_is_full_in_a_decode_step_is_as_good_as_lost_and_fails_nobody(
    ar_model: ArModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decoder, "decode", full)
    with pytest.raises(DeviceFull) as lost:
        finish(an_engine(ar_model), [CLAIMS[0]])
    assert is_device_lost(lost.value, ar_model.device)
