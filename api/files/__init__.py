"""Routes, schemas and OpenAPI entries of files."""
