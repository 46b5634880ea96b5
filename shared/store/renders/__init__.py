"""Manages the leases of renders: claims, heartbeats, results and recovery."""
