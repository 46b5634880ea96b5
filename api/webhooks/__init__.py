"""Routes, schemas and OpenAPI entries of webhook endpoints, signing secrets and keys, and the webhook log."""
