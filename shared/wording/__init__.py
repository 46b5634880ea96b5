"""Words every error about input that a person reads: fields of requests, settings, JSON. Quotes no secrets."""
