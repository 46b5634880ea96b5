"""Each part learns: a few steps on a fixed batch lower its loss. And it is fed as the product feeds it."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from random import Random
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, nn

from shared.geometry import GridSize, small_grid
from workers.ar.model.positions import grid_positions, prompt_positions
from workers.checkpoint import ar_parts
from workers.checkpoint.demo import ar, ar_batches, dit, dit_batches, glyphs, vae, vq
from workers.checkpoint.demo.dit_batches import Batch, Sample
from workers.checkpoint.demo.models import ar as ar_model
from workers.checkpoint.demo.models import dit as dit_model
from workers.checkpoint.demo.models.drawer import Drawer
from workers.checkpoint.demo.models.encoders import Encoders, tensors_of
from workers.checkpoint.demo.models.eyes import Eyes, kinds_of
from workers.checkpoint.demo.models.layers import training_layers
from workers.checkpoint.demo.models.painter import Painter
from workers.checkpoint.demo.models.probe import UNKNOWN, Probe, outputs_of
from workers.checkpoint.demo.world.drawing import LETTER, draw
from workers.checkpoint.demo.world.edits import random_edit
from workers.checkpoint.demo.world.scenes import LETTERS, SHAPES, Scene, Shape, random_scene

_STEPS = 4


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return ar_model.build()


@pytest.fixture(scope="module")
def encoders(model: nn.Module) -> Encoders:
    return Encoders(Eyes(model), vae.build())


def falls(module: nn.Module, loss: Callable[[], Tensor]) -> bool:
    """Whether a few steps of AdamW on the same batch lower the loss."""
    optimizer = torch.optim.AdamW([one for one in module.parameters() if one.requires_grad], 1e-3)
    losses = []
    for _ in range(_STEPS):
        torch.manual_seed(0)  # the same noise each time
        optimizer.zero_grad()
        losses.append(loss())
        torch.autograd.backward(losses[-1])
        optimizer.step()
    return bool(losses[-1] < losses[0])


def samples(num: int, cells: int, word: str = "") -> list[Sample]:
    side = 4 * cells
    weights, num_codes = torch.ones(1, side, side), side * side // 4
    letters = torch.full((num_codes,), UNKNOWN)
    return [
        Sample(torch.randn(16, side, side), weights, torch.randint(ar_model.NUM_CODES, (num_codes,)), word, letters)
        for _ in range(num)
    ]


def sized(num: int, cells: tuple[int, int]) -> list[Sample]:
    """Samples of a size whose rows and columns differ."""
    rows, cols = 4 * cells[0], 4 * cells[1]
    codes, letters = (torch.randint(ar_model.NUM_CODES, (rows * cols // 4,)), torch.full((rows * cols // 4,), UNKNOWN))
    return [Sample(torch.randn(16, rows, cols), torch.ones(1, rows, cols), codes, "", letters) for _ in range(num)]


def test_the_vae_learns() -> None:
    torch.manual_seed(0)
    part = vae.build()
    assert falls(part, lambda: vae.loss_of(part, Random(0), num_crops=3)["loss"])


def test_the_vaes_decoder_learns_while_latents_stay() -> None:
    torch.manual_seed(0)
    part = vae.build()
    part.encoder.requires_grad_(requires_grad=False)
    before = nn.utils.parameters_to_vector(part.encoder.parameters()).clone()
    assert falls(part, lambda: vae.decoder_loss_of(part, Random(1), num_pixels=0)["loss"])
    assert torch.equal(nn.utils.parameters_to_vector(part.encoder.parameters()), before)


def test_the_eyes_learn_and_unused_codes_come_back() -> None:
    torch.manual_seed(0)
    part = Eyes(ar_model.build())
    batches = vq.Batches(part, num_patches=128)
    assert falls(part, lambda: batches.loss(Random(0), 0.0)["loss"])
    book = part.vqmodel.quantize.embedding.weight
    before = book.detach().clone()
    vq.Batches(part, num_patches=128, revive_every=1).loss(Random(0), 0.0)
    assert 0 < int((book != before).any(dim=1).sum()) <= 64


def test_the_eyes_see_a_patch_alike_wherever_it_is(encoders: Encoders) -> None:
    pictures = torch.full((2, 3, 128, 128), 0.5)
    pictures[0, :, 16:32, 32:48] = pictures[1, :, 96:112, 64:80] = -0.5
    codes = encoders.codes(pictures)
    assert codes[0, 1, 2] == codes[1, 6, 4]
    codes[0, 1, 2] = codes[1, 6, 4] = codes[0, 0, 0]
    assert len(codes.unique()) == 1


def test_the_eyes_are_told_what_a_patch_shows() -> None:
    place, side = (0.25, 0.25), 0.5
    scene = Scene("red", (Shape("circle", "blue", place, side), Shape("heart", "white", (0.75, 0.25), side)), word="AB")
    shown = kinds_of(scene, (8, 8))
    assert kinds_of(scene, (8, 16)).shape == (8, 16)
    kinds = {0, 1 + SHAPES.index("circle"), 1 + SHAPES.index("heart"), LETTER}
    assert set(shown[:4, :4].unique().tolist()) == {1 + SHAPES.index("circle")}
    assert set(shown.unique().tolist()) == kinds
    assert not shown[5:, 0].any()


def test_a_background_that_is_seen_differently_costs_the_eyes() -> None:
    plain = torch.zeros(3, 3, 32, 32)
    batch = vq.Examples(plain, plain, torch.zeros(3, 2, 2, dtype=torch.long))
    alike = torch.ones(3, 4, 2, 2)
    apart = alike.clone()
    apart[0, 0, 0, 0] = -1
    assert vq.spread_of(alike, batch) == pytest.approx(0, abs=1e-6)
    assert vq.spread_of(apart, batch) > 0.01
    shapes = replace(batch, kinds=torch.ones(3, 2, 2, dtype=torch.long))
    assert vq.spread_of(apart, shapes) > 0.01
    striped = replace(batch, targets=torch.rand(3, 3, 32, 32))
    assert vq.spread_of(apart, striped) == 0


def test_shapes_are_told_to_the_eyes_without_their_background() -> None:
    batch = vq.random_examples(Random(2), 4, 8)
    is_figure = (batch.kinds > 0).repeat_interleave(16, 1).repeat_interleave(16, 2)[:, None].expand(-1, 3, -1, -1)
    assert is_figure.any()
    first, second, on_grey = (view[is_figure[:4]] for view in batch.targets.chunk(3))
    assert torch.equal(first, second)
    assert torch.equal(first, on_grey)
    assert torch.equal(batch.targets[~is_figure], batch.pictures[~is_figure])
    pictures = batch.pictures.chunk(3)
    assert not torch.equal(pictures[0], pictures[1])
    assert torch.equal(pictures[2], batch.targets[8:])


def test_what_the_ar_model_shall_write_depends_on_neither_background_nor_letters(encoders: Encoders) -> None:
    heart = Shape("heart", "white", (0.5, 0.25), 0.4)
    one, other = Scene("red", (heart,), word="AB"), Scene("green", (heart,), "striped", "blue", word="XY")
    plain = Scene("green", (), "striped", "blue")
    is_figure = kinds_of(one, (8, 12)) > 0
    codes = encoders.codes_of([one, other, plain], (8, 12))
    assert torch.equal(codes[0][is_figure], codes[1][is_figure])
    assert torch.equal(codes[1][~is_figure], codes[2][~is_figure])
    assert not torch.equal(codes[1], codes[2])


def test_the_ar_model_learns(model: nn.Module, encoders: Encoders) -> None:
    rng = Random(0)
    batch = [
        ar_batches.sample_of_edit(random_edit(rng), (8, 8), encoders),
        *ar_batches.samples_of_scenes([random_scene(rng)], (8, 8), encoders, rng),
    ]
    drawer = Drawer(model)
    assert falls(model.model.language_model, lambda: ar.loss_of(drawer, batch)["tokens"])


def test_the_first_token_of_a_shape_counts_more(model: nn.Module, encoders: Encoders) -> None:
    heart, ring = Shape("heart", "white", (0.5, 0.25), 0.4), Shape("ring", "black", (0.5, 0.75), 0.4)
    scene = Scene("red", (ring, heart), word="AB")
    kinds = kinds_of(scene, (8, 12)).flatten().tolist()
    first = ar_batches.first_of_shapes(scene, (8, 12))
    assert [kinds[index] for index in first] == [1 + SHAPES.index("heart"), 1 + SHAPES.index("ring")]
    assert all(kinds.index(kinds[index]) == index for index in first)
    assert not ar_batches.first_of_shapes(Scene("red", word="AB"), (8, 12))
    one, two = ar_batches.samples_of_scenes([scene, Scene("red")], (8, 8), encoders, Random(0))
    drawer = Drawer(model)
    with torch.no_grad():
        both, without = ar.loss_of(drawer, [two, one]), ar.loss_of(drawer, [two])
        alone = ar.loss_of(drawer, [one])
    assert not without["shape"]
    assert float(both["shape"]) == pytest.approx(float(alone["shape"]), rel=1e-2)
    start = ar_batches.start_of(one)
    assert start.drawn == one.drawn[: max(one.decisive) + 1]
    with torch.no_grad():
        assert float(ar.loss_of(drawer, [start, two])["shape"]) == pytest.approx(float(alone["shape"]), rel=1e-2)


@pytest.mark.parametrize(
    ("progress", "kinds"),
    [
        (0.0, {"start", "large grid"}),
        (0.2, {"start", "edit", "large grid", "misled"}),
        (0.5, {"start", "edit", "large grid", "misled", "whole"}),
    ],
)
def test_the_first_batches_teach_the_names_of_single_shapes(
    encoders: Encoders, progress: float, kinds: set[str]
) -> None:
    batches = ar_batches.Batches(encoders)
    found, nums_of_shapes = set(), set()
    for number in range(24):
        with mock.patch.multiple(ar_batches, _SIZES=[(8, 8)], _SIZES_OF_EDITS=[(8, 8)]):
            batch = batches.draw(Random(number), progress)
        found.add(kind_of(batch))
        nums_of_shapes.update(len(one.decisive) for one in batch)
        tokens = sum(len(one.seen) for one in batch)
        assert tokens < 1.5 * ar_batches._TOKENS_A_STEP
        assert len({one.cells for one in batch}) == 1
    assert found == kinds
    assert (nums_of_shapes == {1}) == (progress == 0)


def kind_of(batch: Sequence[ar_batches.Sample]) -> str:
    if all(one.drawn[-1] != ar_model.END_ID for one in batch):
        return "start"
    if len(batch[0].cells) == 1:
        return "large grid" if batch[0].num_left_out else "edit"
    return "misled" if any(one.misleading for one in batch) else "whole"


@pytest.mark.parametrize("cells", [(8, 8), (8, 16)])
def test_positions_of_a_large_grid_are_the_same_without_the_small_one(
    model: nn.Module, encoders: Encoders, cells: tuple[int, int]
) -> None:
    scenes = [Scene("red", (Shape("heart", "white", (0.5, 0.5), 0.4, "centre"),))]
    [whole] = ar_batches.samples_of_scenes(scenes, cells, encoders, Random(0))
    [large] = ar_batches.samples_of_scenes(scenes, cells, encoders, Random(0), has_draft=False)
    num = math.prod(cells)
    assert (whole.asked, whole.drawn[large.num_left_out :]) == (large.asked, large.drawn)
    of_whole, of_large = ar.positions_of(model, whole), ar.positions_of(model, large)
    assert torch.equal(of_whole[:, -num:], of_large[:, -num:])
    assert torch.equal(of_whole[:, : len(whole.asked)], of_large[:, : len(large.asked)])


def test_a_misleading_small_grid_is_seen_and_does_not_count(model: nn.Module, encoders: Encoders) -> None:
    scene = Scene("red", (Shape("heart", "white", (0.5, 0.5), 0.4, "centre"),))
    scenes = [scene, Scene("blue")]
    samples = ar_batches.samples_of_scenes(scenes, (8, 8), encoders, Random(0))
    [one, _] = ar_batches.misled(samples, scenes, Random(1))
    draft = math.prod(one.cells[0])
    assert len(one.misleading) == draft
    assert set(one.misleading) <= set(samples[1].drawn[:draft])
    assert one.seen == [*one.asked, *one.misleading, *one.drawn[draft:-1]]
    assert one.drawn == samples[0].drawn
    assert [draft + index for index in ar_batches.first_of_shapes(scene, (8, 8))] == one.decisive
    drawer = Drawer(model)
    other = replace(one, drawn=[*[0] * draft, *one.drawn[draft:]])  # another grid under the misleading one
    with torch.no_grad():
        assert float(ar.loss_of(drawer, [one])["tokens"]) == pytest.approx(
            float(ar.loss_of(drawer, [other])["tokens"]), rel=1e-3
        )


def test_the_glyph_encoder_learns_letters() -> None:
    torch.manual_seed(0)
    reader = glyphs.Reader()
    assert falls(reader, lambda: glyphs.loss_of(reader, Random(0), num_words=8)["loss"])


def test_codes_that_look_alike_begin_alike(encoders: Encoders) -> None:
    painter = Painter()
    dit.start_from_codebook(painter, encoders)
    looks, embedding = encoders.looks(), painter.transformer.prior_token_embedding.weight.detach()
    nearest = torch.cdist(looks, looks).fill_diagonal_(1e9).argmin(dim=1)
    apart = (embedding - embedding[nearest]).norm(dim=1)
    assert apart.mean() < (embedding - embedding.roll(1, 0)).norm(dim=1).mean()


def test_an_error_in_a_shape_counts_more_than_one_in_the_background() -> None:
    picture = torch.zeros(1, 3, 128, 128)
    picture[..., 48:80, 48:80] = 1
    weights = dit_batches.weights_of(picture)[0, 0]
    assert (weights[7, 7], weights[5, 7], weights[0, 0]) == (4, 4, 1)


@pytest.mark.parametrize("num_conditions", [0, 2])
def test_the_dit_and_its_glyph_encoder_learn(num_conditions: int) -> None:
    torch.manual_seed(0)
    painter = Painter()
    before = [samples(num_conditions, 4) for _ in range(2)] if num_conditions else []
    words = ("", "") if num_conditions else ("OPEN", "")
    batch = Batch((5, 5), [sample for word in words for sample in samples(1, 5, word)], before)
    assert falls(painter, lambda: dit.loss_of(painter, batch, Random(0))["error"])


def test_early_blocks_learn_where_their_tokens_are() -> None:
    torch.manual_seed(0)
    probe, block = Probe(8, (4, 2)), nn.Linear(8, 8)
    states = torch.randn(6, 8)
    labels = torch.tensor([[0, 1], [1, 0], [2, 1], [3, 0], [0, UNKNOWN], [UNKNOWN, 1]])

    def loss() -> Tensor:
        with outputs_of(block) as found:
            block(states)
        return probe.loss(found[0], labels)

    before = block.weight.detach().clone()
    assert falls(nn.ModuleList([probe, block]), loss)
    assert not torch.equal(block.weight, before)


def test_a_probe_without_any_label_learns_nothing() -> None:
    assert Probe(8, (4,)).loss(torch.randn(3, 8), torch.full((3, 1), UNKNOWN)) == 0


def test_each_dit_token_is_told_the_letter_that_it_shows() -> None:
    scene = Scene("red", word="IW")
    shown = dit_batches.letters_of(scene, (8, 8)).view(16, 16)
    line = ["".join(LETTERS[one] if one >= 0 else "." for one in row) for row in shown.tolist()][8]
    assert line == "....IIIIWWWW...."
    assert set(shown[0].tolist()) == {UNKNOWN}
    ink = np.asarray(draw(scene, 256, 256))[..., 1] > 128
    tiles = ink.reshape(16, 16, 16, 16).any(axis=(1, 3))
    assert not (tiles & (shown == UNKNOWN).numpy())[6:10].any()


def test_the_probes_are_told_the_places_of_the_grids() -> None:
    assert ar.places_of(((1, 2), (2, 1))).tolist() == [[0, 0], [0, 1], [0, 0], [1, 0], [UNKNOWN, UNKNOWN]]
    rows = [[row, col, 2 * (row % 2) + col % 2] for row in range(2) for col in range(4)]
    assert dit.places_of((1, 2)).tolist() == rows


def test_a_words_pads_change_nothing() -> None:
    """The product pads no prompt's glyphs; training does, to draw batches of other lengths."""
    torch.manual_seed(0)
    painter = Painter().eval()
    [one] = samples(1, 5)

    def predicted(texts: list[str]) -> Tensor:
        glyphs, is_real = dit_model.glyphs_of(painter.text_encoder, texts)
        num = len(texts)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), training_layers(is_real):
            found: Tensor = painter.transformer(
                hidden_states=one.latents.expand(num, -1, -1, -1),
                encoder_hidden_states=glyphs,
                prior_token_id=one.codes.expand(num, -1),
                prior_token_drop=torch.zeros(num, len(one.codes), dtype=torch.bool),
                timestep=torch.full((num,), 500.0),
                target_size=torch.full((num, 2), 160.0),
                crop_coords=torch.zeros(num, 2),
            ).sample
        return found[0].float()

    alone, padded = predicted(["ON"]), predicted(["ON", "OPENDOOR"])
    assert (alone - padded).abs().max() < 0.02 * alone.abs().max()


@pytest.mark.parametrize("size", [(256, 256), (512, 256)], ids=str)
def test_the_ar_model_is_asked_as_the_processor_asks_it(
    model: nn.Module, encoders: Encoders, size: tuple[int, int]
) -> None:
    edit = random_edit(Random(0))
    width, height = size
    pictures = [draw(scene, 512, 512) for scene in edit.before]
    content = [*({"type": "image", "image": one} for one in pictures), {"type": "text", "text": edit.instruction}]
    processor = ar_parts.processor_of(ar_model.tokenizer())
    inputs = processor.apply_chat_template(
        [[{"role": "user", "content": content}]],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"target_h": height, "target_w": width},
    )
    sample = ar_batches.sample_of_edit(edit, (height // 32, width // 32), encoders)
    grids = inputs["image_grid_thw"]
    assert grids.tolist() == sample.grids.tolist()
    features = model.get_image_features(inputs["pixel_values"], grids[: len(pictures)]).pooler_output
    codes = model.get_image_tokens(torch.cat(features), grids[: len(pictures)])
    ids = inputs["input_ids"][0]
    ids[ids == model.config.image_token_id] = codes
    assert ids.tolist() == sample.asked


@pytest.mark.parametrize("size", [(256, 256), (384, 256), (256, 512)], ids=str)
def test_drawn_tokens_lie_where_the_product_puts_them(
    model: nn.Module, encoders: Encoders, size: tuple[int, int]
) -> None:
    cells = (size[1] // 32, size[0] // 32)
    [sample] = ar_batches.samples_of_scenes([random_scene(Random(1))], cells, encoders, Random(1))
    asked, after = prompt_positions(sample.asked, ar_model.START_ID, ar_model.END_ID, ())
    expected = [*asked, *grid_positions(after, [small_grid(*size), GridSize(*cells)])]
    assert list(map(tuple, ar.positions_of(model, sample).T.tolist())) == expected


@pytest.mark.parametrize("num_conditions", [0, 1, 2])
def test_the_dits_training_layers_compute_what_diffusers_computes(num_conditions: int) -> None:
    torch.manual_seed(0)
    painter = Painter()
    batch = Batch((4, 5), sized(2, (4, 5)), [samples(num_conditions, 4) for _ in range(2)] if num_conditions else [])

    def outcome() -> tuple[float, Tensor]:
        torch.manual_seed(1)
        painter.zero_grad()
        error = dit.loss_of(painter, batch, Random(0))["error"]
        error.backward()
        return float(error.detach()), nn.utils.parameters_to_vector(
            [one.grad for one in painter.transformer.parameters() if one.grad is not None]
        )

    error, gradient = outcome()
    with mock.patch.object(dit, "training_layers", side_effect=nullcontext):
        true_error, true_gradient = outcome()
    assert error == pytest.approx(true_error, rel=1e-3)
    assert F.cosine_similarity(gradient, true_gradient, dim=0) > 0.999


def test_the_ar_models_training_layers_compute_what_transformers_computes(model: nn.Module, encoders: Encoders) -> None:
    rng, drawer = Random(0), Drawer(model)
    batch = [
        *ar_batches.samples_of_scenes([random_scene(rng)], (8, 8), encoders, rng),
        ar_batches.sample_of_edit(random_edit(rng), (8, 8), encoders),
    ]

    def outcome() -> tuple[float, Tensor]:
        drawer.zero_grad()
        tokens = ar.loss_of(drawer, batch)["tokens"]
        tokens.backward()
        layers = model.model.language_model.layers
        return float(tokens.detach()), nn.utils.parameters_to_vector([one.grad for one in layers.parameters()])

    tokens, gradient = outcome()
    with mock.patch.object(ar, "training_layers", nullcontext):
        true_tokens, true_gradient = outcome()
    assert tokens == pytest.approx(true_tokens, rel=1e-3)
    assert F.cosine_similarity(gradient, true_gradient, dim=0) > 0.999


def test_the_ar_model_sees_one_row_and_one_column(model: nn.Module) -> None:
    config = model.config.text_config
    turns = model.model.language_model.rotary_emb.inv_freq  # rad a row or column
    axes = [axis % 3 for axis, num in enumerate(config.rope_parameters["mrope_section"]) for _ in range(num)]
    for axis in range(3):
        own = [float(turn) for turn, whose in zip(turns, axes, strict=True) if whose == axis]
        assert min(own) > 0.2
        assert max(own) > 0.7


def test_visual_tokens_are_the_same_under_autocast(encoders: Encoders) -> None:
    halves = tensors_of([random_scene(Random(seed)) for seed in range(4)], (8, 8))[1]
    plain = encoders.codes(halves)
    with torch.autocast("cpu", torch.bfloat16), training_layers():
        assert torch.equal(encoders.codes(halves), plain)


def test_the_dit_is_told_unshifted_times() -> None:
    """As the pipeline does, which shifts the noise levels alone."""
    torch.manual_seed(0)
    time, sigma = dit.times_and_sigmas(100, (16, 16))
    scheduler = dit_model.build_scheduler()
    scheduler.set_timesteps(timesteps=[1000 * float(one) for one in time], sigmas=time.flatten().tolist(), mu=1.75)
    assert torch.allclose(scheduler.sigmas[:-1], sigma.flatten(), atol=1e-5)
    assert torch.allclose(scheduler.timesteps, 1000 * time.flatten(), atol=1e-2)
