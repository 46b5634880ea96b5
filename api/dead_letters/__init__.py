"""Routes and OpenAPI entries of dead letters."""
