"""Implements `gridpress logs`, which reads the log files of `gridpress up`."""
