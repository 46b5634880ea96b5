"""Decodes and normalises uploaded pictures in child processes, which may be killed."""
