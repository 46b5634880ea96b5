"""Metrics of all processes: their names, their exposition, and how several processes count as one."""
