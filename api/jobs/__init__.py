"""Routes, schemas and OpenAPI entries of jobs, their events and their pictures."""
