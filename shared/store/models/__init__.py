"""Stores the names of models that workers announce, and what operators set for the models."""
