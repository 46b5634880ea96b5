"""Routes, schemas and OpenAPI entries of batches. A batch is many requests in one file, one on each line."""
