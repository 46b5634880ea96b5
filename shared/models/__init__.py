"""The models of the service: their names, what operators set for them, and which revision gets a job. Does no I/O."""
