"""Routes, schemas and OpenAPI entries of batches."""
