"""Loading says in one line what is missing; the memory plan says what fits."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shared.errors import Misconfigured, MissingCheckpoint
from workers.ar.model.loading import ArModel, Sampling, load_ar_model
from workers.ar.plan import plan_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize("part", ["vision_language_encoder", "processor"])
def test_a_missing_part_is_named_with_the_way_to_get_it(tiny_checkpoint: Path, tmp_path: Path, part: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, copy, ignore=shutil.ignore_patterns(part))
    with pytest.raises(MissingCheckpoint, match=rf"{part}.*GRIDPRESS_MODEL=demo"):
        load_ar_model(str(copy), CPU, torch.float32)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpoint, match="no folder"):
        load_ar_model(str(tmp_path / "nowhere"), CPU, torch.float32)


def test_a_truncated_weights_file_is_named(tiny_checkpoint: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, copy)
    weights = next((copy / "vision_language_encoder").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(MissingCheckpoint, match=f"vision_language_encoder/{weights.name} is truncated"):
        load_ar_model(str(copy), CPU, torch.float32)


def test_sampling_is_the_checkpoints(ar_model: ArModel) -> None:
    assert ar_model.sampling == Sampling(temperature=0.9, top_k=16_512, top_p=0.75, num_codes=16_384)


@pytest.mark.parametrize(("named", "taken"), [(None, 50), (0, 16_512), (7, 7)])
def test_top_k_is_taken_as_generate_takes_it(
    tiny_checkpoint: Path, tmp_path: Path, named: int | None, taken: int
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_checkpoint, copy)
    config = copy / "vision_language_encoder" / "generation_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "top_k": named}))
    assert load_ar_model(str(copy), CPU, torch.float32).sampling.top_k == taken


def test_the_plan_counts_what_fits(ar_model: ArModel) -> None:
    plan = plan_memory(ar_model, max_sequences=8, kv_bytes=64 * 2**20)
    # 4 layers x (keys and values) x 2 KV heads x 32 x 4 bytes
    assert plan.bytes_per_token == 2_048
    assert plan.num_kv_tokens == 32_768
    fitting = plan.facts()["sequences_that_fit"]
    assert fitting == {"256x256": 8, "512x512": 8, "1024x1024": 8, "2048x2048": 32_768 // (300 + 256 + 4096 + 1)}


def test_memory_is_no_more_than_long_renders_in_every_slot_could_use(ar_model: ArModel) -> None:
    assert plan_memory(ar_model, max_sequences=2, kv_bytes=None).num_kv_tokens == 2 * 6_400


def test_memory_for_less_than_one_render_is_refused(ar_model: ArModel) -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_AR_KV_BYTES"):
        plan_memory(replace(ar_model), max_sequences=1, kv_bytes=2**20)


def test_a_cpu_in_a_coarse_type_computes_one_render_at_a_time(tiny_checkpoint: Path) -> None:
    coarse = load_ar_model(str(tiny_checkpoint), CPU, torch.bfloat16)
    assert plan_memory(coarse, max_sequences=None, kv_bytes=None).max_sequences == 1
    with pytest.raises(Misconfigured, match=r"GRIDPRESS_AR_SLOTS=8 on a CPU in bfloat16"):
        plan_memory(coarse, max_sequences=8, kv_bytes=None)
