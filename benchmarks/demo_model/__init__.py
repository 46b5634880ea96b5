"""Judges what the demonstration model paints, from pixels alone: `make eval-demo`."""
