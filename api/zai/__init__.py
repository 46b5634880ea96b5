"""The door for clients of Z.ai's image API: its fields, states and errors over the same jobs."""
