"""A real service under faults: kills, cuts and freezes by a seed, and an audit of what became of every job."""
