"""Traces: spans, their export, and the request that caused a piece of work."""
