"""Routes, schemas and OpenAPI entries of webhook endpoints, secrets and the webhook log."""
