"""Routes and OpenAPI entries for operators: the audit log."""
