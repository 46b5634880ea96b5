"""Implements `gridpress plan`, which computes how many workers a demand for pictures needs."""
