"""What the API and the workers agree on: ids, errors, geometry, jobs, messages, stores. Never Flask, never torch."""
