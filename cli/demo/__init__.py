"""The main job, end to end, on a service of its own: what `make demo` shows."""
