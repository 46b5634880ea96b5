"""The schedule, measured through the whole service: `make bench-schedule`."""
