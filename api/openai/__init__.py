"""The door for clients of OpenAI's Images API: its fields, answers, streams and errors over the same jobs."""
