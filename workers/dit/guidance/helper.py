"""The helper process of a DiT worker. It computes the unconditional branch of classifier-free guidance on its own
device until the worker ends.

The worker starts the helper with `python -m workers.dit.guidance.helper` and sends it messages through standard input.
"""

import json
import sys
from pathlib import Path

import torch

from shared.process.logs import configure_logs
from shared.settings.settings import Settings
from workers.dit.guidance.link import HELPER, Link, open_store
from workers.dit.guidance.orders import orders
from workers.dit.guidance.plan import READY, HelperPlan, Pass
from workers.dit.model.denoiser import Branch, Denoiser, Row
from workers.dit.model.glyphs import GlyphEncoder
from workers.dit.model.loading import load_dit_model
from workers.dit.model.options import DitOptions, apply_options


def main() -> None:
    """Runs the helper process of a DiT worker: loads the model, reports to the worker that it is ready, and computes
    each forward pass that the worker asks for.
    """
    configure_logs("dit-guidance", Settings().log_format)
    lines = orders(sys.stdin.buffer)
    plan = HelperPlan(**json.loads(next(lines)))
    torch.set_num_threads(plan.threads)
    device = torch.device(plan.device)
    model = load_dit_model(plan.model, device, plan.torch_dtype, low_memory=True)
    apply_options(model.transformer, DitOptions(**plan.options))
    denoiser = Denoiser(model)
    with torch.no_grad():
        branch = denoiser.unconditional(GlyphEncoder(model).empty, None)
    store = open_store(Path(plan.rendezvous))
    store.set(READY, "1")
    link = Link(store, HELPER, device)
    for line in lines:
        _compute_pass(Pass.from_line(line), link, denoiser, branch)


@torch.no_grad()
def _compute_pass(wanted: Pass, link: Link, denoiser: Denoiser, branch: Branch) -> None:
    latents = link.receive(wanted.latents, wanted.latents_dtype)
    time = link.receive(wanted.time, wanted.time_dtype)
    (noise,) = denoiser.predict([Row(latents, time, branch)], max_rows=1)
    link.send(noise)


if __name__ == "__main__":
    main()
