"""Prints the GPUs that torch sees as JSON (`python -m workers.device.listing`), for a process that loads no torch."""

import json

import torch


def gpus() -> list[dict[str, object]]:
    """Returns the index, name and bytes of memory of every GPU that torch sees in this environment."""
    found = (torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count()))
    return [{"index": index, "name": gpu.name, "num_bytes": gpu.total_memory} for index, gpu in enumerate(found)]


if __name__ == "__main__":
    print(json.dumps(gpus()))
