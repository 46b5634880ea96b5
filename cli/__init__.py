"""The `gridpress` command: client of the HTTP API, local stack, checkpoint tools."""
