"""`gridpress logs`: reads the log files of `gridpress up`."""
