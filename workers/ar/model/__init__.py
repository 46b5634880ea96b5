"""The AR model: loading, KV memory, prefill, decode steps. Tensors only, no policy."""
