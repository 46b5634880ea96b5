"""Metrics of all processes: their definitions, the metrics page, and the sums of the metrics of several processes."""
