"""Jobs, renders, leases and pictures as values, and the job object that clients receive."""
