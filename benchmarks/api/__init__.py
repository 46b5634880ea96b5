"""Benchmarks of the API: submissions, an idle service, throughput and waiting connections."""
