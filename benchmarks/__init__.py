"""Benchmarks of the service. Each measures its reference in the same run. The service imports nothing from here."""
