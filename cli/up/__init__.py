"""`gridpress up` and `gridpress repair`: the whole service on this machine."""
