"""Implements `gridpress demo`, which starts a service and renders example prompts end to end."""
