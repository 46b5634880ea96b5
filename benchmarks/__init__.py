"""Measurements, each beside its reference in one run. Nothing here is imported by the service."""
