"""Handles three kinds of faults: renders whose workers crashed, broken records, and dead letters (renders that failed
because they crashed workers).
"""
