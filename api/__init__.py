"""The HTTP API: validates requests, stores their inputs and creates jobs. Never loads torch, and keeps no job state."""
