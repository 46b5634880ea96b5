"""Reads and normalises condition images in child processes with limits."""
