"""Child processes for work on what strangers sent: one task at a time, with limits of memory and time."""
