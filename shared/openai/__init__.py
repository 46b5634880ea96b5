"""OpenAI's image requests and responses, for the API and for batch lines."""
