"""Implements `gridpress up` and `gridpress repair`, which run and repair the whole service on this machine."""
