"""`gridpress webhooks`: endpoints, what was sent to them, and a receiver for development."""
