"""Waiting work: fair shares, hints, throughput, load and the periodic upkeep."""
