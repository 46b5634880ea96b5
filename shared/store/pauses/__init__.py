"""Stores what operators have paused."""
