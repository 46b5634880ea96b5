"""Implements `gridpress doctor`, which checks this machine and the settings, and says how to fix each problem."""
