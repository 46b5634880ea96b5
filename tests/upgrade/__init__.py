"""Upgrades of the release and of the model's weights, on real servers."""
