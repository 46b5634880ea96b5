"""Routes and OpenAPI entries for operators: drains, pauses, moves of waiting work, the audit log."""
