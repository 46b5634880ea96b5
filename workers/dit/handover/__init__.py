"""Saves renders of a drained DiT worker, so that another one goes on with them."""
