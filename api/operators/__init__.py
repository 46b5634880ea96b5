"""Routes and OpenAPI entries for operators: pauses and the audit log."""
