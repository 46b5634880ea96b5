"""A worker's device: placement, memory, and turns between processes that share it."""
