"""Divides the tokens of one forward pass among several devices (Ulysses sequence parallelism).

Each device has a process of its own with all weights. The worker is the first one, and starts the others.
"""
