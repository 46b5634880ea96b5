"""Finds the model that a worker serves, and reads the setting of the simulated model."""
