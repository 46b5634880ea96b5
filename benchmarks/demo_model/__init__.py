"""Evaluates the pictures of the demonstration model from their pixels alone: `make eval-demo`."""
