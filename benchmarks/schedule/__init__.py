"""Measures the schedule through the whole service: `make bench-schedule`."""
