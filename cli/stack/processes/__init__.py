"""Supervises processes: starts them, limits their logs, checks their readiness, restarts and ends them."""
