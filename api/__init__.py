"""The HTTP API: validates, stores inputs, creates jobs. Never torch, never business state."""
