"""Writes the memory tables of `docs/devices.md` from the figures of `gridpress up --gpus`: `make docs`."""

from collections.abc import Iterator

from cli.stack.gpus import needs as n
from cli.stack.gpus.assignment import Gpu, Seat, assign
from cli.stack.gpus.needs import Needs
from shared.errors import Misconfigured
from shared.settings.settings import Settings
from tests.docs.settings_readers import ROOT
from workers.dit.byte_counts import decode_bytes, step_bytes, tiled_decode_bytes
from workers.dit.model.choosing import FP8_COPY_CARD_BYTES

FILE = ROOT / "docs" / "devices.md"
BEGIN, END = "<!-- memory: begin -->", "<!-- memory: end -->"

# The bytes that cards of these sizes report, the smallest of each size that is sold.
CARDS = {"16 GB": 16.7e9, "24 GB": 24.1e9, "32 GB": 32.2e9, "48 GB": 47.8e9, "80 GB": 85.0e9, "141 GB": 150.0e9}
_DIT_WIDTH, _VAE_CHANNELS, _BF16 = 4096, 512, 2
_SMALLEST = Settings(dit_fp8="all", low_memory=True)
_BOTH_IN_FP8 = Settings(ar_fp8=True, dit_fp8="all")
_ONE_PICTURE = 6_400 * 40 * 1024  # KV memory of one picture of 2048x2048 with a long prompt


def tables() -> str:
    """Returns both tables: the memory of each part, and the workers that fit on each size of card."""
    parts = "".join(f"| {name} | {figure} | {why} |\n" for name, figure, why in _parts())
    cards = "".join(f"| {name} | {workers} | {most} |\n" for name, workers, most in _cards())
    in_fp8 = "".join(f"| {name} | {workers} | {most} |\n" for name, workers, most in _cards_in_fp8())
    return (
        "| part | GB | calculation |\n|---|---|---|\n"
        f"{parts}\n"
        "| card | `gridpress up --gpus all` starts | GB at most |\n|---|---|---|\n"
        f"{cards}\n"
        "| card | with `GRIDPRESS_AR_FP8=1` and `GRIDPRESS_DIT_FP8=all` it starts | GB at most |\n|---|---|---|\n"
        f"{in_fp8}\n{_shortage()}"
    )


def page() -> str:
    """Returns the whole page: its own text, and the tables of today."""
    before, _, rest = FILE.read_text().partition(f"{BEGIN}\n")
    return f"{before}{BEGIN}\n{tables()}{END}{rest.partition(END)[2]}"


def _parts() -> Iterator[tuple[str, str, str]]:
    yield "AR weights", _gb(n.AR_WEIGHTS), "10.1 billion parameters in bfloat16, with vision tower and VQ encoder"
    yield "AR weights with layers in FP8", _gb(n.AR_IN_FP8), "8.2 of the 10.1 billion parameters have one byte"
    yield "AR step", _gb(n.AR_STEP), "a prefill, or a condition image"
    yield "AR KV memory", f"{_gb(n.KV_LEAST)} to {_gb(n.KV_MOST)}", "40 KiB a token; 1,600 tokens for 1024x1024"
    yield "DiT blocks", f"{_gb(n.DIT_BLOCKS)}; in FP8 {_gb(n.DIT_BLOCKS // 2)}", "6.8 billion parameters"
    yield "a copy of the blocks in FP8", _gb(n.FP8_COPY), "by the profile, on cards of 70 GB and more with room for it"
    encoders = "0.22 and 0.41 billion parameters; with `GRIDPRESS_LOW_MEMORY` in host memory while not in use"
    yield "glyph encoder and VAE", _gb(n.DIT_ENCODERS), encoders
    steps = [step_bytes(side * side // 256, _DIT_WIDTH, _BF16) for side in (1024, 2048)]
    yield "a denoise step", _at_sizes(*steps), "14 tensors of tokens x 4096 x 2 bytes"
    decodes = [decode_bytes(side, side, _VAE_CHANNELS, _BF16) for side in (1024, 2048)]
    yield "a VAE decode", _at_sizes(*decodes), "3 tensors of pixels x 512 channels x 2 bytes"
    tiles = [tiled_decode_bytes(side, side, _VAE_CHANNELS, _BF16) for side in (1024, 2048)]
    yield "a VAE decode in tiles", _at_sizes(*tiles), "one tile of 1024x1024, and the pixels"
    keys = "keys and values: 30 layers x 2 x 4096 tokens x 4096 x 2 bytes"
    yield "a condition image of an edit", f"{_gb(n.CONDITION_IMAGE)} at 1024x1024", keys
    yield "a CUDA context", f"{_gb(n.CONTEXT)} for each process", ""


def _cards() -> Iterator[tuple[str, str, str]]:
    for name, num_bytes in CARDS.items():
        gpu = Gpu(0, name, int(num_bytes))
        needs = Needs()
        try:
            seats = assign([gpu], needs, num_ar=None, num_dit=None)
        except Misconfigured:
            needs = Needs.of(_SMALLEST)
            seats = assign([gpu], needs, num_ar=0, num_dit=1)
        copy = n.FP8_COPY if num_bytes >= FP8_COPY_CARD_BYTES else 0
        yield name, _workers(seats), _gb(_most(seats, needs) + copy)


def _cards_in_fp8() -> Iterator[tuple[str, str, str]]:
    needs = Needs.of(_BOTH_IN_FP8)
    for name, num_bytes in CARDS.items():
        gpu = Gpu(0, name, int(num_bytes))
        try:
            seats = assign([gpu], needs, num_ar=None, num_dit=None, may_take_turns=False)
        except Misconfigured:
            yield name, f"nothing: {_gb(needs.ar + needs.dit - gpu.num_bytes)} GB are missing", ""
        else:
            yield name, _workers(seats), _gb(_most(seats, needs))


def _shortage() -> str:
    """Returns sentences that say how much memory both stages in FP8 miss on a card of 24 GB in the best case."""
    needs = Needs.of(_BOTH_IN_FP8.model_copy(update={"low_memory": True}))
    least = needs.ar - n.KV_LEAST + _ONE_PICTURE + needs.dit
    return (
        f"With `GRIDPRESS_LOW_MEMORY` and KV memory for only one picture of 2048x2048 ({_gb(_ONE_PICTURE)} GB), both "
        f"stages in FP8\nneed {_gb(least)} GB. Cards of 24 GB report {_gb(int(CARDS['24 GB']))} to 25.8 GB, so "
        f"{_gb(int(least - 24 * 2**30))} to {_gb(int(least - CARDS['24 GB']))} GB are missing.\n"
    )


def _workers(seats: list[Seat] | tuple[Seat, ...]) -> str:
    if len(seats) == 1:
        return "nothing, unless `GRIDPRESS_DIT_FP8=all`, `GRIDPRESS_LOW_MEMORY` and `--ar-workers 0`: then a DiT worker"
    if seats[0].takes_turns:
        return "an AR worker and a DiT worker, which take turns"
    return f"an AR worker with {_gb(seats[0].kv_bytes or 0)} GB of KV memory, and a DiT worker"


def _most(seats: list[Seat] | tuple[Seat, ...], needs: Needs) -> int:
    """Returns the largest memory use of the workers on one card, with one condition image of 1024x1024."""
    if len(seats) == 1:
        return needs.dit
    kv_bytes = seats[0].kv_bytes or 0
    if seats[0].takes_turns:
        return max(needs.ar, needs.dit + kv_bytes) + n.CONTEXT
    return needs.ar - n.KV_LEAST + kv_bytes + needs.dit


def _at_sizes(small: int, large: int) -> str:
    return f"{_gb(small)} at 1024x1024, {_gb(large)} at 2048x2048"


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f}"


if __name__ == "__main__":
    FILE.write_text(page())
