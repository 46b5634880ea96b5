"""Reads the settings from `GRIDPRESS_*` variables and secret files, and describes invalid ones."""
