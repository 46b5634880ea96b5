"""Loads the AR model, holds its KV memory, and runs prefills and decode steps.

It computes on tensors and decides nothing about scheduling.
"""
