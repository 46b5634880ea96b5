"""Manages waiting renders: fair shares, hints, throughput, load and the periodic upkeep."""
