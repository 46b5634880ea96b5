"""Builds the bodies that clients receive: the job object with its schema, and OpenAI's image response."""
