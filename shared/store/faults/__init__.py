"""Crashed renders, broken records and dead letters."""
