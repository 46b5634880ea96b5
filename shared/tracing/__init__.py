"""Traces: spans, their export, and the HTTP request that caused a piece of work."""
