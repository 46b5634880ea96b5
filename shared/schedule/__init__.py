"""Arithmetic of the schedule: cost, throughput, waiting time, number of workers. Nothing here does I/O."""
