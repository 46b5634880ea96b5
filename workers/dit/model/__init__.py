"""Loads the DiT model, computes its inputs, and runs denoise steps.

It computes on tensors and decides nothing about scheduling.
"""
