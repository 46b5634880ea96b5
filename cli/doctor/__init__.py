"""`gridpress doctor`: what this machine supports, what the settings will use, and what to do about what is wrong."""
