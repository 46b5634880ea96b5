"""The warm-up of an AR worker leaves nothing behind, and changes no picture."""

import pytest
import torch
from structlog.testing import capture_logs

from shared.errors import RenderFailed
from tests.workers.ar.claims import a_claim, an_engine, finish
from workers.ar.model.loading import ArModel
from workers.ar.warm_up import warm_up


def test_a_warm_engine_is_idle_and_gives_the_tokens_of_a_cold_one(ar_model: ArModel) -> None:
    edit = a_claim("d", (256, 256), seed=4, images=("mug",))  # fewer steps than a picture from text
    warm, cold = an_engine(ar_model, 4_000, 2), an_engine(ar_model, 4_000, 2)
    prefills: list[int] = []
    prefill = warm._runner.prefill
    warm._runner.prefill = lambda sequence: prefills.append(sequence.num_to_prefill) or prefill(sequence)  # type: ignore[method-assign,func-returns-value]
    with capture_logs() as logs:
        warm_up(warm)
    assert [log["event"] for log in logs] == ["ar.warmed_up"]
    assert len(prefills) >= 2
    assert (warm.is_idle, warm.kv_used_ratio) == (True, 0)
    assert finish(warm, [edit]) == finish(cold, [edit])


def test_a_worker_whose_warm_up_fails_does_not_become_ready(ar_model: ArModel) -> None:
    """A broken kernel, for example, would let every later render fail as well."""

    def no_numbers(*_: object) -> object:
        raise torch.OutOfMemoryError("CUDA out of memory")

    engine = an_engine(ar_model, 4_000, 2)
    engine._runner.prefill = no_numbers  # type: ignore[method-assign,assignment]
    with pytest.raises(RenderFailed):
        warm_up(engine)
