"""Enhancement: asks a language model for a better prompt, before AR. Never torch."""
