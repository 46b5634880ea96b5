"""The OpenAPI 3.1 document: one entry per route; paths come from the app, schemas from the models that validate."""
