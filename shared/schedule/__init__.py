"""Computes what scheduling needs: the cost of renders, the throughput of stages, expected ends, and the number of
workers that a stage needs. Does no I/O.
"""
