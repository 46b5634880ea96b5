"""Builds checkpoints. The small one has GLM-Image's real classes and folder layout, and random weights from a seed."""
