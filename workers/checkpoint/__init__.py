"""Builds small checkpoints with GLM-Image's own model classes and folder layout.

`tiny` builds a checkpoint with random weights; `demo` trains one.
"""
