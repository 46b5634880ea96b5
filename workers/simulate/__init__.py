"""A simulated engine: real processes, queues and stores around steps that only take time. Never torch."""
