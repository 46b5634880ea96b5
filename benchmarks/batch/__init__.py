"""Benchmarks of batches: ingestion, memory of waiting lines, throughput, and the effect on other tenants."""
