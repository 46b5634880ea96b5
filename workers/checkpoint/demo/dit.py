"""Trains the DiT and its glyph encoder: noise to latents, told by visual tokens, quoted text and condition pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from string import ascii_uppercase

import torch
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor, nn

from workers.checkpoint.demo import ar_model, dit_model
from workers.checkpoint.demo.attention import plain_attention
from workers.checkpoint.demo.edits import Edit, random_edit
from workers.checkpoint.demo.encoders import CELL_PX, CONDITION_CELLS, Encoders, tensors_of
from workers.checkpoint.demo.loop import Recipe, train
from workers.checkpoint.demo.pixels import to_picture
from workers.checkpoint.demo.prompts import in_some_case
from workers.checkpoint.demo.world import Scene, random_scene

RECIPE = Recipe(num_steps=3_300, learning_rate=1.5e-3, average=0.999, weight_decay=0.02, has_muon=True)
_TOKENS_A_STEP = 4_096  # image tokens of a batch: 16 pictures of 256x256
Cells = tuple[int, int]
# Rows and columns of visual tokens, by the share of training that is done: small pictures first, which are quick.
_EARLY: Sequence[Cells] = ((5, 5), (6, 6), (6, 6), (8, 8), (8, 8))
_LATE: Sequence[Cells] = (*((8, 8),) * 12, (6, 6), (8, 12), (12, 8), (8, 16), (16, 8), (12, 12), (16, 16))
_EARLY_UNTIL = 0.35
_EDITS = 0.08  # of all batches after the early ones
_DROPPED = 0.1  # of pictures: without tokens and glyphs, for guidance
_SPOILT = 0.04  # of visual tokens: another one, since sampled grids are not perfect
_MISSPELT = 0.5  # of pictures with a word: tokens of another word, so that letters are learned from the glyphs
_FRESH = 4  # one picture of so many is new, the others were seen with other noise; encoding costs as much as a step
_KEPT = 3_000  # pictures of one size


class Painter(nn.Module):
    """The two trained parts as one module."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = dit_model.build_transformer()
        self.text_encoder = dit_model.build_text_encoder()


def doubled(codes: Tensor) -> Tensor:
    """(pictures, 4 x tokens): each visual token for four DiT tokens."""
    return codes.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1)


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture as the DiT is taught it. `latents`: (16, height / 8, width / 8); `codes`: (DiT tokens)."""

    latents: Tensor
    codes: Tensor
    word: str


class Batches:
    """Draws one batch after the other and gives its loss."""

    def __init__(self, painter: Painter, encoders: Encoders) -> None:
        self._painter, self._encoders = painter, encoders
        self._kept: dict[Cells, list[Sample]] = {}

    def loss(self, rng: Random, progress: float) -> dict[str, Tensor]:
        torch.manual_seed(rng.getrandbits(60))
        is_early = progress < _EARLY_UNTIL
        with torch.autocast("cpu", torch.bfloat16), plain_attention():
            if not is_early and rng.random() < _EDITS:
                return {"loss": self._of_edits(rng)}
            return {"loss": self._of_scenes(rng, rng.choice(_EARLY if is_early else _LATE))}

    def _of_scenes(self, rng: Random, cells: Cells) -> Tensor:
        num = max(1, _TOKENS_A_STEP // (4 * cells[0] * cells[1]))
        kept = self._kept.setdefault(cells, [])
        num_fresh = num if len(kept) < 4 * num else -(-num // _FRESH)
        fresh = self._samples(rng, num_fresh, cells)
        samples = [*fresh, *rng.sample(kept, num - num_fresh)]
        kept.extend(fresh)
        while len(kept) > _KEPT:
            kept[rng.randrange(len(kept))] = kept[-1]
            kept.pop()
        return self._error(rng, samples, cells, None)

    def _samples(self, rng: Random, num: int, cells: Cells) -> list[Sample]:
        scenes = [random_scene(rng) for _ in range(num)]
        pictures, halves = tensors_of(scenes, cells)
        decoys = [_misspelt(scene, rng) for scene in scenes]
        if decoys != scenes:
            halves = tensors_of(decoys, cells)[1]
        latents, codes = self._encoders.latents(pictures), doubled(self._encoders.codes(halves))
        return [Sample(*one) for one in zip(latents, codes, [scene.word for scene in scenes], strict=True)]

    def _of_edits(self, rng: Random) -> Tensor:
        cells = rng.choice(((8, 8), (8, 8), (8, 12), (12, 8)))
        edits = _alike(rng, _TOKENS_A_STEP // (4 * 64) // 4)
        pictures, halves = tensors_of([edit.after for edit in edits], cells)
        latents, codes = self._encoders.latents(pictures), doubled(self._encoders.codes(halves))
        samples = [Sample(*one, "") for one in zip(latents, codes, strict=True)]
        return self._error(rng, samples, cells, self._seen([list(edit.before) for edit in edits]))

    def _seen(self, before: list[list[Scene]]) -> GlmImageKVCache:
        """Keys and values of each sample's condition pictures. All samples have as many as the first."""
        transformer = self._painter.transformer
        seen = GlmImageKVCache(transformer.config.num_layers)
        seen.set_mode("write")
        for scenes in before:
            for scene in scenes:
                pictures, halves = tensors_of([scene], (CONDITION_CELLS, CONDITION_CELLS))
                codes = doubled(self._encoders.codes(halves))
                transformer(
                    hidden_states=self._encoders.latents(pictures),
                    encoder_hidden_states=torch.zeros(1, 0, dit_model.GLYPH_WIDTH),
                    prior_token_id=codes,
                    prior_token_drop=torch.zeros_like(codes, dtype=torch.bool),
                    timestep=torch.zeros(1),
                    target_size=torch.tensor([pictures.shape[-2:]]),
                    crop_coords=torch.zeros(1, 2),
                    kv_caches=seen,
                )
            seen.next_sample()
        seen.set_mode("read")
        return seen

    def _error(self, rng: Random, samples: Sequence[Sample], cells: Cells, seen: GlmImageKVCache | None) -> Tensor:
        latents, codes = torch.stack([one.latents for one in samples]), torch.stack([one.codes for one in samples])
        num = len(samples)
        is_dropped = torch.rand(num, 1) < (_DROPPED if seen is None else 0.0)
        spoilt = torch.rand(codes.shape) < _SPOILT
        codes = torch.where(spoilt, torch.randint_like(codes, ar_model.NUM_CODES), codes)
        noise, (time, sigma) = torch.randn_like(latents), _times(num, cells)
        mixed = (1 - sigma) * latents + sigma * noise
        words = [
            "" if dropped else in_some_case(one.word, rng) for one, dropped in zip(samples, is_dropped, strict=True)
        ]
        size = [float(side * CELL_PX) for side in cells]
        glyphs, is_real = dit_model.glyphs_of(self._painter.text_encoder, words)
        with plain_attention(None if bool(is_real.all()) else is_real):
            predicted = self._painter.transformer(
                hidden_states=mixed,
                encoder_hidden_states=glyphs,
                prior_token_id=codes,
                prior_token_drop=is_dropped.expand(codes.shape),
                timestep=1000 * time.flatten() - 1,
                target_size=torch.tensor([size]).repeat(num, 1),
                crop_coords=torch.zeros(num, 2),
                kv_caches=seen,
            ).sample
        return (predicted.float() - (noise - latents)).square().mean()


def _misspelt(scene: Scene, rng: Random) -> Scene:
    """For some scenes with a word: the same scene with another word of that length."""
    if not scene.word or rng.random() > _MISSPELT:
        return scene
    return replace(scene, word="".join(rng.choices(ascii_uppercase, k=len(scene.word))))


def _alike(rng: Random, num: int) -> list[Edit]:
    """So many edits with as many condition pictures each."""
    edits = [random_edit(rng)]
    while len(edits) < num:
        edit = random_edit(rng)
        if len(edit.before) == len(edits[0].before):
            edits.append(edit)
    return edits


def _times(num: int, cells: Cells) -> tuple[Tensor, Tensor]:
    """Logit-normal times, of which the model is told, and their noise levels: shifted by size, as in sampling."""
    time = torch.sigmoid(torch.randn(num, 1, 1, 1))
    shift = (4 * cells[0] * cells[1] / 256) ** 0.5 * 0.75 + 0.25
    return time, shift * time / (1 + (shift - 1) * time)


def fit(folder: Path, encoders: Encoders) -> Painter:
    """Trains to the end, or goes on."""
    torch.manual_seed(3)
    painter = Painter()
    batches = Batches(painter, encoders)

    def show(averaged: nn.Module) -> None:
        assert isinstance(averaged, Painter)
        scenes = [random_scene(Random(f"sheet {number}")) for number in range(12)]
        painted = encoders.pictures(paint(averaged, scenes, encoders, num_steps=20))
        truth, _ = tensors_of(scenes, (8, 8))
        rows = [torch.cat(list(row), dim=2) for part in (truth, painted) for row in part.split(6)]
        to_picture(torch.cat(rows, dim=1)).save(folder / "dit.png")

    trained = train(painter, batches.loss, RECIPE, folder / "dit.pt", on_save=show)
    assert isinstance(trained, Painter)
    return trained


@torch.no_grad()
def paint(painter: Painter, scenes: list[Scene], encoders: Encoders, num_steps: int, guidance: float = 1.5) -> Tensor:
    """Latents of the scenes at 256x256, from the visual tokens of the scenes themselves."""
    _, halves = tensors_of(scenes, (8, 8))
    codes = doubled(encoders.codes(halves))
    glyphs, is_real = dit_model.glyphs_of(painter.text_encoder, [scene.word for scene in scenes])
    empty, all_real = dit_model.glyphs_of(painter.text_encoder, [""] * len(scenes))
    latents = torch.randn(len(scenes), 16, 32, 32, generator=torch.Generator().manual_seed(0))
    scheduler = dit_model.build_scheduler()
    times = torch.linspace(1000, 1, num_steps + 1)[:-1].long().float()
    scheduler.set_timesteps(sigmas=(times / 1000).tolist(), mu=1.0)
    size, corner = torch.full((len(scenes), 2), 256.0), torch.zeros(len(scenes), 2)

    def predicted(words: Tensor, real: Tensor, time: Tensor, *, is_dropped: bool) -> Tensor:
        dropped = torch.full(codes.shape, is_dropped)
        with torch.autocast("cpu", torch.bfloat16), plain_attention(real):
            found = painter.transformer(latents, words, codes, dropped, time, size, corner).sample
        return found.float()

    for time in scheduler.timesteps:
        when = (time - 1).expand(len(scenes))
        told = predicted(glyphs, is_real, when, is_dropped=False)
        untold = predicted(empty, all_real, when, is_dropped=True)
        latents = scheduler.step(untold + guidance * (told - untold), time, latents).prev_sample
    return latents
