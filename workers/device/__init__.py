"""A worker's device: the choice of the device, its memory, and the turns of processes that share it."""
