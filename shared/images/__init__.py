"""Decodes and normalises condition images in child processes with limits on memory and time."""
